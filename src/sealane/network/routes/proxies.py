"""The pods in which a proxy listens, and the names of what is made for a Gateway or for the Ingresses.

GEP-1762: resources generated for a Gateway are named NAME-CLASS and carry the label
`gateway.networking.k8s.io/gateway-name`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sealane.kube.objects import Key
from sealane.network.pods import addresses
from sealane.network.routes.model.l4 import INGRESS_PROXY, PortKey
from sealane.network.routes.sources import GATEWAY_GROUP

if TYPE_CHECKING:
    from sealane.kube.shapes import Pod

GATEWAY_LABEL = f"{GATEWAY_GROUP}/gateway-name"
CLASS_LABEL = f"{GATEWAY_GROUP}/gateway-class-name"
INGRESS_LABEL = "sealane.dev/proxy"
IMAGE = "sealane/envoy"
LISTENING = "sealane.dev/listening"
"""Readiness gate of proxy pods: the condition is True while the proxy listens there (KEP-580)."""


@dataclass(frozen=True, slots=True)
class ProxyPod:
    """A pod that has its network: the proxy listens in its namespace and connects from it."""

    pod: Key
    uid: str
    proxy: Key


def listener_name(uid: str, port: PortKey) -> str:
    """ "POD-UID/PORT", "POD-UID/PORT/udp": a port in a proxy's pod."""
    return f"{uid}/{port.port}" + ("/udp" if port.transport == "UDP" else "")


def proxy_pod(pod: Pod) -> ProxyPod | None:
    """None when the pod is no proxy's, has no address yet, or has ended."""
    if not addresses(pod):
        return None
    images = [container.get("image") for container in pod.spec.get("containers") or ()]
    proxy = proxy_of(pod.namespace, pod.labels)
    return ProxyPod(pod.key, pod.uid, proxy) if proxy is not None and IMAGE in images else None


def proxy_of(namespace: str, labels: Any) -> Key | None:
    """Which proxy an object with these labels belongs to."""
    name = labels.get(GATEWAY_LABEL)
    if name:
        return Key(GATEWAY_GROUP, "Gateway", namespace, name)
    return INGRESS_PROXY if labels.get(INGRESS_LABEL) == "ingress" and namespace == INGRESS_PROXY.namespace else None


def generated(proxy: Key, class_name: str) -> tuple[str, str]:
    """(namespace, name) of a proxy's Deployment and Service."""
    return proxy.namespace, proxy.name if proxy == INGRESS_PROXY else f"{proxy.name}-{class_name}"


def selector(proxy: Key) -> dict[str, str]:
    """Labels of a proxy's pods."""
    return {INGRESS_LABEL: "ingress"} if proxy == INGRESS_PROXY else {GATEWAY_LABEL: proxy.name}
