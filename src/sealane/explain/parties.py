"""FROM and TO as people write them.

pod/shop/cart-0  shop/cart-0  cart-0  deploy/frontend  deploy/shop/frontend     a pod, or one of a workload's
outside  node/node-1  203.0.113.9                                               other places to start from
svc/cart  svc/shop/cart:http  cart-service.shop  http://cart-service/items      other things to reach
10.96.0.20:80  deploy/cart:8080
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from difflib import get_close_matches
from ipaddress import ip_address
from typing import Literal
from urllib.parse import urlsplit

from sealane.explain.world import World, is_outside, outside_address
from sealane.kube.objects import Key, Object
from sealane.kube.selectors import LabelSelector
from sealane.network.pods import addresses, is_ready

WORKLOADS = {
    **dict.fromkeys(("deploy", "deployment", "deployments"), "Deployment"),
    **dict.fromkeys(("sts", "statefulset", "statefulsets"), "StatefulSet"),
    **dict.fromkeys(("ds", "daemonset", "daemonsets"), "DaemonSet"),
    **dict.fromkeys(("rs", "replicaset", "replicasets"), "ReplicaSet"),
    **dict.fromkeys(("job", "jobs"), "Job"),
}
PODS = ("pod", "pods", "po")
SERVICES = ("svc", "service", "services")
NODES = ("node", "nodes", "no")


class Unknown(ValueError):
    """A party that is not there; the message says what is."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where traffic starts. node: "" outside the cluster. pod: None for a node, outside or a foreign address."""

    kind: Literal["pod", "node", "outside", "address"]
    text: str
    addresses: tuple[str, ...]
    node: str = ""
    pod: Object | None = None

    def address(self, version: int) -> str:
        """Its address of that family, or ""."""
        return next((own for own in self.addresses if (":" in own) == (version == 6)), "")


@dataclass(frozen=True, slots=True)
class Url:
    """The HTTP part of a target."""

    scheme: str
    host: str
    path: str


@dataclass(frozen=True, slots=True)
class Target:
    """The target of traffic. Exactly one of service, pod, address and name is set.

    port: number or name; None when none was given. protocol: "TCP", "UDP" or "SCTP".
    """

    text: str
    service: Key | None = None
    pod: Object | None = None
    address: str = ""
    name: str = ""
    port: int | str | None = None
    protocol: str = "TCP"
    url: Url | None = None


def parse_source(world: World, text: str, namespace: str = "default") -> Place:
    """Raises Unknown."""
    kind, _, rest = text.partition("/")
    if text == "outside":
        return Place("outside", text, tuple(outside_address(version) for version in (4, 6)))
    if kind in NODES and rest:
        return _node(world, rest)
    if _is_address(text):
        node = world.node_at(text)
        pod = world.pod_at(text)
        if pod is not None:
            return of_pod(pod)
        if node:
            return _node(world, node)
        return Place("outside" if is_outside(text) else "address", text, (text,))
    return of_pod(_pod(world, text, namespace))


def parse_target(world: World, text: str, namespace: str = "default", port: str | None = None) -> Target:
    """port: "80", "http", "53/UDP", when it is not part of `text`. Raises Unknown."""
    if "://" in text:
        return _url_target(world, text)
    kind, _, rest = text.partition("/")
    if kind in NODES and rest:
        name, given, protocol = _split_port(rest, port)
        return Target(text, address=_node(world, name).address(4), port=given, protocol=protocol)
    if "/" not in text or (rest.upper() in ("TCP", "UDP", "SCTP") and ":" in kind):
        host, given, protocol = _split_port(text, port)
        if _is_address(host):
            return _address_target(world, text, host, given, protocol)
        pod = world.pods.get(Key("", "Pod", namespace, host))
        # A bare name is what a program would ask DNS for; only where no Service has it can it mean a pod.
        if pod is not None and Key("", "Service", namespace, host) not in world.services:
            return Target(text, pod=pod, port=given, protocol=protocol)
        return Target(text, name=host, port=given, protocol=protocol)
    reference, given, protocol = _split_port(text, port)
    if kind in SERVICES:
        return Target(text, service=_service(world, reference, namespace), port=given, protocol=protocol)
    return Target(text, pod=_pod(world, reference, namespace), port=given, protocol=protocol)


def of_pod(pod: Object) -> Place:
    return Place("pod", f"{pod.namespace}/{pod.name}", addresses(pod), pod.spec.get("nodeName") or "", pod)


def workload_pods(world: World, kind: str, namespace: str, name: str) -> list[Object]:
    """The pods of a workload, by its selector (and owner, where one is named). Raises Unknown when it is not there."""
    workload = next(
        (item for key, item in world.objects.items() if (key.kind, key.namespace, key.name) == (kind, namespace, name)),
        None,
    )
    if workload is None:
        known = [key.name for key in world.objects if key.kind == kind and key.namespace == namespace]
        raise Unknown(f"no {kind} {name!r} in namespace {namespace!r}{_nearest(name, known)}")
    selector = workload.spec.get("selector")
    if selector:
        chosen = LabelSelector.of(selector)
        candidates = [pod for pod in world.pods.values() if pod.namespace == namespace and chosen.matches(pod.labels)]
    else:
        candidates = [pod for pod in world.pods.values() if pod.namespace == namespace and pod.name.startswith(name)]
    return sorted(candidates, key=lambda pod: (not is_ready(pod), pod.key))


def _url_target(world: World, text: str) -> Target:
    parts = urlsplit(text)
    try:
        port = parts.port
    except ValueError:
        raise Unknown(f"{text!r}: the port is no number") from None
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise Unknown(f"{text!r}: expected http://HOST[:PORT][/PATH] or https://…")
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    number = port or (443 if parts.scheme == "https" else 80)
    host = parts.hostname
    authority = host if port is None else f"{host}:{port}"
    url = Url(parts.scheme, authority, path)
    if _is_address(host):
        return Target(text, address=str(ip_address(host)), port=number, url=url)
    return Target(text, name=host, port=number, url=url)


def _address_target(world: World, text: str, address: str, port: int | str | None, protocol: str) -> Target:
    address = str(ip_address(address))
    pod = world.pod_at(address)
    if pod is not None and port is None:
        return Target(text, pod=pod, protocol=protocol)
    return Target(text, address=address, port=port, protocol=protocol)


def _split_port(text: str, port: str | None) -> tuple[str, int | str | None, str]:
    """ "10.0.0.1:53/UDP" -> ("10.0.0.1", 53, "UDP")."""
    host, within = text, ""
    if text.startswith("["):
        host, _, rest = text[1:].partition("]")
        within = rest.removeprefix(":")
    elif text.count(":") == 1:
        host, _, within = text.partition(":")
    if port and within and port.partition("/")[0] != within.partition("/")[0]:
        raise Unknown(f"{text} names port {within}, and --port {port} another one: give one of them")
    port = port or within
    if not port:
        return host, None, "TCP"
    name, _, protocol = port.partition("/")
    protocol = protocol.upper() or "TCP"
    if protocol not in ("TCP", "UDP", "SCTP"):
        raise Unknown(f"{port!r}: expected a port number or name, then nothing, /TCP, /UDP or /SCTP")
    if name.isdigit() and not 0 < int(name) < 65536:
        raise Unknown(f"{name} is no port number: it must be 1 to 65535")
    return host, int(name) if name.isdigit() else name, protocol


def _node(world: World, name: str) -> Place:
    node = world.nodes.get(Key("", "Node", "", name))
    if node is None:
        raise Unknown(f"no node {name!r}{_nearest(name, [each.name for each in world.nodes.values()])}")
    addresses = tuple(world.node_address(name, version) for version in (4, 6))
    return Place("node", f"node/{name}", tuple(address for address in addresses if address), name)


def _pod(world: World, text: str, namespace: str) -> Object:
    kind, _, rest = text.rpartition("/")
    first, _, middle = kind.partition("/")
    if first in WORKLOADS:
        pods = workload_pods(world, WORKLOADS[first], middle or namespace, rest)
        if not pods:
            raise Unknown(f"{text}: it has no pods")
        return pods[0]
    if first in PODS:
        kind = middle
    elif middle:
        known = ", ".join(("pod", "deploy", "sts", "ds", "svc", "node"))
        raise Unknown(f"{text!r}: {first!r} is no kind that can be traced (expected one of {known})")
    key = Key("", "Pod", kind or namespace, rest)
    pod = world.pods.get(key)
    if pod is not None:
        return pod
    names = [other.name for other in world.pods.values() if other.namespace == key.namespace]
    if not names:
        spaces = sorted({other.namespace for other in world.pods.values()})
        raise Unknown(f"no pod {rest!r}: namespace {key.namespace!r} has no pods{_nearest(key.namespace, spaces)}")
    raise Unknown(f"no pod {rest!r} in namespace {key.namespace!r}{_nearest(rest, names)}")


def _service(world: World, text: str, namespace: str) -> Key:
    parts = text.split("/")[1:]
    key = Key("", "Service", parts[0] if len(parts) > 1 else namespace, parts[-1])
    if key not in world.services:
        known = [other.name for other in world.services if other.namespace == key.namespace]
        raise Unknown(f"no Service {key.name!r} in namespace {key.namespace!r}{_nearest(key.name, known)}")
    return key


def _nearest(wanted: str, known: Iterable[str]) -> str:
    known = sorted(known)
    near = get_close_matches(wanted, known, 3, 0.4)
    if near:
        return f"; did you mean {' or '.join(near)}?"
    return f"; there are: {', '.join(known[:8])}{', …' if len(known) > 8 else ''}" if known else ""


def _is_address(text: str) -> bool:
    try:
        ip_address(text)
    except ValueError:
        return False
    return True
