"""What a cluster would hold once it had taken these manifests: pods, addresses, endpoints, gateways' proxies.

So `trace` and `reach` can answer on files alone. Where a cluster would choose (a node, an address, a suffix), the
choice here is the simplest one that is always the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import ip_network
from itertools import cycle
from typing import Any

from sealane.kube.kinds.services.topology_keys import without_keys
from sealane.kube.objects import Object, Origin, Raw
from sealane.kube.selectors import LabelSelector
from sealane.network.addresses import (
    INTERNAL_LOAD_BALANCERS,
    LOAD_BALANCERS,
    NODE_PORTS,
    SERVICES,
    IPNetwork,
    plan_node,
)
from sealane.network.routes import proxies
from sealane.network.routes.gateway_api import listeners as gateway
from sealane.network.routes.ingress import ingress
from sealane.network.routes.model import INGRESS_PROXY
from sealane.network.services.annotations import wants_internal
from sealane.network.services.compile import slice_service
from sealane.network.services.hints import node_share, zone_capacity
from sealane.network.services.listeners import listeners
from sealane.network.services.mirroring import is_mirrored, mirrored_slices
from sealane.network.services.slices import PodEndpoint, address_types, endpoint_slices, pod_endpoint, pod_selector

TEMPLATED = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job")
FIRST_SERVICE = 256
"""Service addresses are given from 10.96.1.0 on: those before are for the cluster's own Services."""
FIRST_POD = 2
FAMILIES = ("IPv4", "IPv6")


def expected(objects: Iterable[Object], nodes: int = 3) -> list[Object]:
    """`objects` and all that follows from them in a cluster of `nodes` nodes (or of those among the objects)."""
    found = [Object(without_keys(each.raw), each.origin) if each.kind == "Service" else each for each in objects]
    found = _with_namespaces(found)
    if not _of(found, "Node"):
        found += [_node(index) for index in range(1, nodes + 1)]
    found += _proxies(found)
    found = _with_pods(found)
    found = _with_addresses(found)
    return found + _slices(found)


def _of(objects: Iterable[Object], *kinds: str) -> list[Object]:
    return sorted((item for item in objects if item.kind in kinds), key=lambda item: item.key)


def _with_namespaces(objects: list[Object]) -> list[Object]:
    """Namespaces that manifests only name, and the label that every namespace has (KEP-2161)."""
    given = {item.name: item for item in _of(objects, "Namespace")}
    named = {item.namespace for item in objects if item.namespace} | {"default"}
    made = [given.get(name) or _object("v1", "Namespace", "", name) for name in sorted(named | given.keys())]
    labelled = [_changed(item, ("metadata", "labels"), {"kubernetes.io/metadata.name": item.name}) for item in made]
    return [item for item in objects if item.kind != "Namespace"] + labelled


def _node(index: int) -> Object:
    plan = plan_node(index)
    return _object(
        "v1",
        "Node",
        "",
        plan.name,
        {"kubernetes.io/hostname": plan.name},
        spec={"podCIDRs": [str(cidr) for cidr in plan.pod_cidrs]},
        status={"addresses": [{"type": "InternalIP", "address": str(address)} for address in plan.addresses]},
    )


# Proxies of Gateways and Ingresses (GEP-1762)


def _proxies(objects: list[Object]) -> list[Object]:
    ours = {item.name for item in _of(objects, "GatewayClass") if gateway.is_ours(item)}
    made: list[Object] = []
    for item in _of(objects, "Gateway"):
        class_name = item.spec.get("gatewayClassName") or ""
        if class_name in ours:
            ports = sorted({listener["port"] for listener in item.spec.get("listeners") or () if "port" in listener})
            made += _proxy(*proxies.generated(item.key, class_name), proxies.selector(item.key), ports, item)
    if _of(objects, "Ingress"):
        made += _proxy(*proxies.generated(INGRESS_PROXY, ""), proxies.selector(INGRESS_PROXY), [ingress.PORT], None)
    known = {item.key for item in objects}
    return [item for item in made if item.key not in known]


def _proxy(
    namespace: str, name: str, labels: Mapping[str, str], ports: list[int], owner: Object | None
) -> Iterator[Object]:
    containers = [{"name": "envoy", "image": proxies.IMAGE}]
    template = {"metadata": {"labels": dict(labels)}, "spec": {"containers": containers}}
    selector = {"matchLabels": dict(labels)}
    spec: Raw = {"replicas": 1, "selector": selector, "template": template}
    deployment = _object("apps/v1", "Deployment", namespace, name, labels, spec=spec)
    named = [{"name": f"port-{port}", "port": port} for port in ports]
    spec = {"type": "LoadBalancer", "selector": dict(labels), "ports": named}
    service = _object("v1", "Service", namespace, name, labels, spec=spec)
    for made in (deployment, service):
        yield _changed(made, ("metadata",), {"ownerReferences": [_owner(owner)]}) if owner is not None else made


# Pods


def _with_pods(objects: list[Object]) -> list[Object]:
    """Every pod of every workload, running and ready, on the nodes in turn."""
    nodes = _of(objects, "Node")
    owned = {
        (owner.get("kind"), item.namespace, owner.get("name"))
        for item in objects
        for owner in item.metadata.get("ownerReferences") or ()
    }
    pods = _of(objects, "Pod")
    for workload in _of(objects, *TEMPLATED):
        if (workload.kind, workload.namespace, workload.name) not in owned:
            pods += _templated(workload, nodes)
    turn = cycle(nodes)
    free = {node.name: FIRST_POD for node in nodes}
    placed: list[Object] = []
    for pod in pods:
        if not pod.status.get("podIP"):
            node = _place(pod, nodes, turn)
            addresses = []
            if node is not None:
                for cidr in node.spec.get("podCIDRs") or ():
                    addresses.append(str(ip_network(cidr)[free[node.name]]))
                free[node.name] += 1
                if pod.spec.get("hostNetwork"):
                    addresses = [entry["address"] for entry in node.status.get("addresses") or ()]
            pod = _running(pod, node.name if node else "", addresses)
        placed.append(pod)
    return [item for item in objects if item.kind != "Pod"] + placed


def _templated(workload: Object, nodes: list[Object]) -> Iterator[Object]:
    template = workload.spec.get("template") or {}
    replicas = workload.spec.get("replicas", workload.spec.get("parallelism", 1))
    chosen = [node for node in nodes if _selected(template.get("spec") or {}, node)]
    names = [f"{workload.name}-{index}" for index in range(len(chosen) if workload.kind == "DaemonSet" else replicas)]
    for index, name in enumerate(names):
        metadata = dict(template.get("metadata") or {})
        labels = dict(metadata.get("labels") or {})
        spec = dict(template.get("spec") or {})
        if workload.kind == "StatefulSet":
            labels |= {"statefulset.kubernetes.io/pod-name": name, "apps.kubernetes.io/pod-index": str(index)}
            spec = {"hostname": name, "subdomain": workload.spec.get("serviceName") or "", **spec}
        if workload.kind == "DaemonSet":
            spec["nodeName"] = chosen[index].name
        metadata |= {"name": name, "namespace": workload.namespace, "labels": labels}
        metadata["ownerReferences"] = [_owner(workload)]
        raw = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}
        yield Object(raw, _template_origin(workload.origin))


def _template_origin(origin: Origin | None) -> Origin | None:
    """Lines of a pod's fields are those of its template's."""
    if origin is None:
        return None
    prefix = ("spec", "template")
    lines = {path[2:]: line for path, line in origin.lines.items() if path[:2] == prefix and len(path) > 2}
    return Origin(origin.file, origin.lines.get(prefix, origin.line), lines)


def _place(pod: Object, nodes: list[Object], turn: Iterator[Object]) -> Object | None:
    wanted = pod.spec.get("nodeName")
    if wanted:
        return next((node for node in nodes if node.name == wanted), None)
    return next((node for node, _ in zip(turn, nodes, strict=False) if _selected(pod.spec, node)), None)


def _selected(pod_spec: Mapping[str, Any], node: Object) -> bool:
    return LabelSelector.of_labels(pod_spec.get("nodeSelector") or {}).matches(node.labels)


def _running(pod: Object, node: str, addresses: list[str]) -> Object:
    status: Raw = {"phase": "Running" if addresses else "Pending"}
    if addresses:
        status["podIP"] = addresses[0]
        status["podIPs"] = [{"ip": address} for address in addresses]
        status["conditions"] = [{"type": "Ready", "status": "True"}]
    return Object({**pod.raw, "spec": {**pod.spec, "nodeName": node}, "status": status}, pod.origin)


# Services


def _with_addresses(objects: list[Object]) -> list[Object]:
    """Cluster and load-balancer addresses for the Services that have none, in the order of their names, of the families
    that each asks for."""
    services = _of(objects, "Service")
    taken = {address for item in services for address in item.spec.get("clusterIPs") or [item.spec.get("clusterIP")]}
    cluster = {family: _hosts(SERVICES[index], FIRST_SERVICE) for index, family in enumerate(FAMILIES)}
    balancers = {
        (internal, family): _hosts(networks[index], 1)
        for internal, networks in ((False, LOAD_BALANCERS), (True, INTERNAL_LOAD_BALANCERS))
        for index, family in enumerate(FAMILIES)
    }
    held = {item.spec.get("healthCheckNodePort") for item in services}
    held |= {port.get("nodePort") for item in services for port in item.spec.get("ports") or ()}
    checks = (port for port in reversed(NODE_PORTS) if port not in held)
    made = []
    for item in services:
        if item.spec.get("type") != "ExternalName" and not item.spec.get("clusterIP"):
            families = _families(item)
            given = [next(address for address in cluster[family] if address not in taken) for family in families]
            values = {"clusterIP": given[0], "clusterIPs": given, "ipFamilies": families}
            item = _changed(item, ("spec",), values)
        check = item.spec.get("externalTrafficPolicy") == "Local" and not item.spec.get("healthCheckNodePort")
        if item.spec.get("type") == "LoadBalancer" and check:
            item = _changed(item, ("spec",), {"healthCheckNodePort": next(checks)})
        if item.spec.get("type") == "LoadBalancer" and not item.status.get("loadBalancer"):
            mode = "Proxy" if listeners(item) else "VIP"
            entries = [
                {"ip": next(balancers[wants_internal(item), family]), "ipMode": mode} for family in address_types(item)
            ]
            item = _changed(item, ("status",), {"loadBalancer": {"ingress": entries}})
        made.append(item)
    return [item for item in objects if item.kind != "Service"] + made


def _hosts(network: IPNetwork, first: int) -> Iterator[str]:
    return (str(network[index]) for index in range(first, network.num_addresses))


def _families(service: Object) -> list[str]:
    """Source: https://kubernetes.io/docs/concepts/services-networking/dual-stack/#services"""
    given = list(service.spec.get("ipFamilies") or FAMILIES[:1])
    if service.spec.get("ipFamilyPolicy") in ("PreferDualStack", "RequireDualStack"):
        given += [family for family in FAMILIES if family not in given]
    return given


def _slices(objects: list[Object]) -> list[Object]:
    given = {owner for item in _of(objects, "EndpointSlice") for owner in slice_service(item)}
    pods = [found for found in map(pod_endpoint, _of(objects, "Pod")) if found is not None]
    shares = {node.name: node_share(node) for node in _of(objects, "Node")}

    def zone(node: str) -> str:
        return shares[node].zone if node in shares else ""

    def capacity() -> Mapping[str, float]:
        return zone_capacity(shares.values())

    services = {item.key.namespace + "/" + item.name: item for item in _of(objects, "Service")}
    made: list[Object] = [
        Object(raw, written.origin)
        for written in _of(objects, "Endpoints")
        if is_mirrored(written, services.get(f"{written.namespace}/{written.name}"))
        for raw in mirrored_slices(written).values()
    ]
    for service in services.values():
        selector = pod_selector(service)
        if selector is None or (service.namespace, service.name) in given:
            continue
        selected: list[PodEndpoint] = [
            pod for pod in pods if pod.namespace == service.namespace and selector.matches(pod.labels)
        ]
        made += [Object(raw, service.origin) for raw in endpoint_slices(service, selected, (), zone, capacity).values()]
    return made


def _owner(item: Object) -> Raw:
    return {"apiVersion": item.raw["apiVersion"], "kind": item.kind, "name": item.name}


def _object(
    api_version: str,
    kind: str,
    namespace: str,
    name: str,
    labels: Mapping[str, str] | None = None,
    **fields: Any,
) -> Object:
    metadata: Raw = {"name": name, "labels": dict(labels or {})}
    if namespace:
        metadata["namespace"] = namespace
    return Object({"apiVersion": api_version, "kind": kind, "metadata": metadata, **fields})


def _changed(item: Object, path: tuple[str, ...], values: Mapping[str, Any]) -> Object:
    """`item` with `values` put into the mapping at `path`."""
    raw: Raw = dict(item.raw)
    inner = raw
    for step in path:
        inner[step] = dict(inner.get(step) or {})
        inner = inner[step]
    inner.update(values)
    return Object(raw, item.origin)
