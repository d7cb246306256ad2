"""Objects that a cluster would hold once it had taken these manifests: pods, addresses, endpoints, gateways' proxies.

So `trace` and `reach` can answer on files alone. Where a cluster would choose (a node, an address, a suffix), the
choice here is the simplest one that is always the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from ipaddress import ip_network
from itertools import cycle
from typing import Any

from sealane.kube.kinds.services.topology_keys import without_keys
from sealane.kube.objects import Object, Origin, Raw
from sealane.kube.selectors import LabelSelector
from sealane.network.addresses import plan_node
from sealane.network.model import Network
from sealane.network.pods import is_over
from sealane.network.services import is_ours
from sealane.network.services.allocation import Allocated, Exhausted, Refused, allocate
from sealane.network.services.pools import Pool, assign, assigned, ingress

TEMPLATED = ("Deployment", "ReplicaSet", "StatefulSet", "DaemonSet", "Job")
FIRST_POD = 2


def expected(objects: Iterable[Object], nodes: int = 3) -> list[Object]:
    """`objects` and all that follows from them in a cluster of `nodes` nodes (or of those among the objects)."""
    found = [Object(without_keys(each.raw), each.origin) if each.kind == "Service" else each for each in objects]
    found = _with_namespaces(found)
    if not _of(found, "Node"):
        found += [_node(index) for index in range(1, nodes + 1)]
    found += _proxies(found)
    found = _with_pods(found)
    found = _with_addresses(found)
    return _slices(found)


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


def _proxies(objects: list[Object]) -> list[Object]:
    """Deployments and Services of the proxies of Gateways and Ingresses."""
    known = {item.key for item in objects}
    made = Network.of(objects).proxies
    return [Object(raw) for each in made.values() for key, raw in sorted(each.items()) if key not in known]


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
        if not pod.status.get("podIP") and not is_over(pod):
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
    """Services with cluster addresses, node ports and load-balancer addresses, as if made in the order of their age and
    names. One that an API server would refuse stays as it is."""
    services = sorted(_of(objects, "Service"), key=lambda each: each.metadata.get("creationTimestamp") or "")
    allocated, pool = Allocated(), Pool()
    for item in services:
        allocated.hold(item.raw)
        pool.hold(item.key, assigned(item))
    made = []
    for item in services:
        with suppress(Refused, Exhausted):
            raw = allocate(item.raw, None, allocated)
            allocated.hold(raw)
            item = Object(raw, item.origin)
        if is_ours(item):
            entries = ingress(item, assign(item, pool).addresses)
            item = _changed(item, ("status",), {"loadBalancer": {"ingress": entries}})
        made.append(item)
    return [item for item in objects if item.kind != "Service"] + made


def _slices(objects: list[Object]) -> list[Object]:
    """`objects` with the EndpointSlices and Endpoints that controllers would write: a Service's own in its place."""
    network = Network.of(objects)
    found = network.endpoints
    origins = {(item.kind, item.namespace, item.name): item.origin for item in objects}
    made = {key: raw for each in (found.slices, found.mirrored, found.endpoints) for key, raw in each.items()}

    def origin(raw: Raw) -> Origin | None:
        metadata = raw["metadata"]
        owner = (metadata.get("ownerReferences") or [{"kind": "Service", "name": metadata["name"]}])[0]
        return origins.get((owner["kind"], metadata["namespace"], owner["name"]))

    kept = [item for item in objects if item.key not in made]
    return kept + [Object(raw, origin(raw)) for _, raw in sorted(made.items())]


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
