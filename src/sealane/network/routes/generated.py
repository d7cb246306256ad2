"""The Deployment and Service of each proxy: one for every Gateway of ours, one for all Ingresses. Pure.

GEP-1762 (in-cluster Gateway deployments): https://gateway-api.sigs.k8s.io/geps/gep-1762/
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING

from sealane.kube.kinds import DEPLOYMENT, SERVICE, Kind
from sealane.kube.objects import Key, Object, Raw
from sealane.network.routes.gateway_api import listeners as gateways
from sealane.network.routes.ingress.ingress import LISTENER, PORT
from sealane.network.routes.model.l4 import INGRESS_PROXY, OpenPort, PortKey
from sealane.network.routes.proxies import CLASS_LABEL, IMAGE, LISTENING, generated, selector
from sealane.network.routes.routing import Routing, proxy_of_port
from sealane.reactive.collections import Collection, Fetch, derive_many
from sealane.reactive.groups import group

if TYPE_CHECKING:
    from sealane.kube.shapes import Gateway, Service
    from sealane.kube.shapes.core_v1 import PodTemplateSpec, ServiceSpec
    from sealane.kube.shapes.meta_v1 import ObjectMeta, OwnerReference

_SERVICE = Key(SERVICE.group, SERVICE.kind, *generated(INGRESS_PROXY, ""))
MANAGED_BY = ("app.kubernetes.io/managed-by", "sealane-gateway-controller")


def is_managed(item: Object) -> bool:
    """Whether this controller made the object."""
    return item.labels.get(MANAGED_BY[0]) == MANAGED_BY[1]


def wanted(routing: Routing) -> dict[Kind, Collection[Key, Raw]]:
    """The Deployments and Services that should exist."""
    sources = routing.sources

    def of_gateway(_key: Key, gateway: Gateway, fetch: Fetch) -> Mapping[Key, Raw]:
        class_name = gateways.class_key(gateway).name
        ports = fetch(routing.ports, index=proxy_of_port, value=gateway.key)
        if not ports or gateway.deleting:
            return {}
        infrastructure = gateway.spec.get("infrastructure") or {}
        labels = {**(infrastructure.get("labels") or {}), CLASS_LABEL: class_name}
        annotations = infrastructure.get("annotations") or {}
        owner: OwnerReference = {
            "apiVersion": gateway.raw["apiVersion"],
            "kind": gateway.kind,
            "name": gateway.name,
            "uid": gateway.uid,
            "controller": True,
            "blockOwnerDeletion": True,
        }
        addresses = [item.get("value") for item in gateway.spec.get("addresses") or ()]
        return objects(
            gateway.key, class_name, ports, labels, annotations, [owner], str(addresses[0]) if addresses else ""
        )

    def of_ingresses(proxy: Key, ports: Iterable[OpenPort]) -> dict[Key, Raw]:
        return objects(proxy, "", list(ports), {}, {}, [], "")

    def of_none(key: Key, service: Service, fetch: Fetch) -> Mapping[Key, Raw]:
        """Without any Ingress the Service stays, for the next one gets its address."""
        if key != _SERVICE or not is_managed(service) or fetch.get(ingress, INGRESS_PROXY) is not None:
            return {}
        made = objects(INGRESS_PROXY, "", [OpenPort(PortKey(INGRESS_PROXY, PORT), (LISTENER,))], {}, {}, [], "")
        return {_SERVICE: made[_SERVICE]}

    ingress = group("gateways.ingress", [(routing.ports, _is_ingress)], of_ingresses)
    of_gateways = derive_many("gateways.objects", sources.gateways, of_gateway)
    of_ingress = derive_many("gateways.ingress.objects", ingress, lambda _key, made, _fetch: made)
    left = derive_many("gateways.ingress.left", sources.services, of_none)
    return {
        kind: group(
            f"gateways.{kind.plural}",
            [(each, _key_if(kind)) for each in (of_gateways, of_ingress, left)],
            lambda _key, found: next(iter(found)),
        )
        for kind in (DEPLOYMENT, SERVICE)
    }


def objects(
    proxy: Key,
    class_name: str,
    ports: Iterable[OpenPort],
    labels: Mapping[str, str],
    annotations: Mapping[str, str],
    owners: list[OwnerReference],
    address: str,
) -> dict[Key, Raw]:
    """Deployment and Service of one proxy by key.

    The pod template says nothing of ports, so a new listener restarts nothing. Pods are ready once the proxy listens
    in them (a readiness gate), so the Service never leads to a port that is not open yet.
    """
    namespace, name = generated(proxy, class_name)
    chosen = selector(proxy)
    metadata: ObjectMeta = {
        "namespace": namespace,
        "name": name,
        "labels": {**labels, **chosen, MANAGED_BY[0]: MANAGED_BY[1]},
        **({"annotations": dict(annotations)} if annotations else {}),
        **({"ownerReferences": owners} if owners else {}),
    }
    template: PodTemplateSpec = {
        "metadata": {"labels": {**labels, **chosen}, **({"annotations": dict(annotations)} if annotations else {})},
        "spec": {
            "containers": [{"name": "envoy", "image": IMAGE}],
            "readinessGates": [{"conditionType": LISTENING}],
            "automountServiceAccountToken": False,
        },
    }
    deployment: Raw = {
        "apiVersion": DEPLOYMENT.api_version,
        "kind": DEPLOYMENT.kind,
        "metadata": metadata,
        "spec": {"replicas": 1, "selector": {"matchLabels": chosen}, "template": template},
    }
    spec: ServiceSpec = {
        "type": "LoadBalancer",
        "selector": chosen,
        "ipFamilyPolicy": "PreferDualStack",
        "ports": [
            {
                "name": f"{port.scheme}-{port.key.port}",
                "port": port.key.port,
                "targetPort": port.key.port,
                "protocol": port.key.transport,
            }
            for port in sorted(ports, key=lambda port: port.key)
        ],
    }
    if address:
        spec["loadBalancerIP"] = address
    service: Raw = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    return {
        Key(DEPLOYMENT.group, DEPLOYMENT.kind, namespace, name): deployment,
        Key(SERVICE.group, SERVICE.kind, namespace, name): service,
    }


def _is_ingress(port: OpenPort) -> tuple[Key, ...]:
    return (INGRESS_PROXY,) if port.key.proxy == INGRESS_PROXY else ()


def _key_if(kind: Kind) -> Callable[[Raw], tuple[Key, ...]]:
    def index(raw: Raw) -> tuple[Key, ...]:
        if raw["kind"] != kind.kind:
            return ()
        metadata = raw["metadata"]
        return (Key(kind.group, kind.kind, metadata["namespace"], metadata["name"]),)

    return index
