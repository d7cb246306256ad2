"""The pods behind a Service: its EndpointSlices, and the older Endpoints object.

Sources: the EndpointSlice v1 and Endpoints v1 API references; KEP-752 (slices: one address family and one set of ports
each, at most 100 endpoints, little churn), KEP-1672 (ready, serving, terminating), KEP-2438 (dual stack).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from collections.abc import Set as AbstractSet
from itertools import count
from typing import TYPE_CHECKING

import msgspec

from sealane.kube.objects import Raw
from sealane.kube.selectors import LabelSelector
from sealane.network.pods import addresses as addresses_of
from sealane.network.pods import container_ports, ready_condition
from sealane.network.services.hints import add_hints, nearness
from sealane.network.services.model import Protocol

if TYPE_CHECKING:
    from sealane.kube.shapes import Endpoints, EndpointSlice, Pod, Service
    from sealane.kube.shapes.core_v1 import EndpointAddress, EndpointPort, EndpointSubset, ObjectReference, ServicePort
    from sealane.kube.shapes.discovery_v1 import Endpoint
    from sealane.kube.shapes.meta_v1 import ObjectMeta, OwnerReference

SERVICE_NAME = "kubernetes.io/service-name"
MANAGED_BY = "endpointslice.kubernetes.io/managed-by"
SLICE_CONTROLLER = "endpointslice-controller.k8s.io"
ENDPOINTS_MANAGED_BY = "endpoints.kubernetes.io/managed-by"
ENDPOINTS_CONTROLLER = "endpoint-controller"
HEADLESS = "service.kubernetes.io/headless"
OVER_CAPACITY = "endpoints.kubernetes.io/over-capacity"
TRIGGER_TIME = "endpoints.kubernetes.io/last-change-trigger-time"
MAX_ENDPOINTS = 100
MAX_ADDRESSES = 1000

ContainerPort = tuple[str, str, int]
"""Name, protocol, number of a container's port."""
EndpointPorts = tuple[tuple[str, Protocol, int, str], ...]
"""Name, protocol, number and appProtocol of each port of a slice."""


class PodEndpoint(msgspec.Struct, frozen=True):
    """All that a Service reads of a pod. Equal values make equal endpoints, so other changes of a pod stop here.

    addresses: its IPs, all families. hostname, subdomain: as in its spec, "" when unset. changed: when it became ready
    or not, or began to end; "" when that is not known.
    """

    namespace: str
    name: str
    uid: str
    labels: Mapping[str, str]
    addresses: tuple[str, ...]
    node: str
    ready: bool
    terminating: bool
    hostname: str
    subdomain: str
    ports: tuple[ContainerPort, ...]
    changed: str = ""


def pod_endpoint(pod: Pod) -> PodEndpoint | None:
    """None for a pod without an address, and for one that is over (Succeeded, Failed)."""
    addresses = addresses_of(pod)
    if not addresses:
        return None
    spec = pod.spec
    ports = tuple((port.name, port.protocol, port.number) for port in container_ports(pod))
    condition = ready_condition(pod)
    since = condition.get("lastTransitionTime") if condition is not None else ""
    changed = max(since or "", pod.metadata.get("deletionTimestamp") or "")
    return PodEndpoint(
        pod.namespace,
        pod.name,
        pod.uid,
        pod.labels,
        addresses,
        spec.get("nodeName") or "",
        condition is not None and condition.get("status") == "True",
        pod.deleting,
        spec.get("hostname") or "",
        spec.get("subdomain") or "",
        ports,
        changed,
    )


def pod_selector(service: Service) -> LabelSelector | None:
    """The selector of a Service's pods; None when its endpoints are made by others or it has none."""
    selector = service.spec.get("selector")
    if not selector or service.spec.get("type") == "ExternalName":
        return None
    return LabelSelector.of_labels(selector)


def address_types(service: Service) -> tuple[str, ...]:
    """The families for which a Service has slices, the primary one first."""
    spec = service.spec
    if families := spec.get("ipFamilies"):
        return tuple(families)
    assigned = spec.get("clusterIPs") or [spec.get("clusterIP") or ""]
    found = dict.fromkeys(_address_type(address) for address in assigned if address and address != "None")
    return tuple(found) or ("IPv4",)


def has_family(pod: PodEndpoint, family: str) -> bool:
    """family: "IPv4" or "IPv6"."""
    return any(_address_type(address) == family for address in pod.addresses)


def is_ready(service: Service, pod: PodEndpoint) -> bool:
    """The condition of its endpoint (KEP-1672)."""
    return bool(service.spec.get("publishNotReadyAddresses")) or (pod.ready and not pod.terminating)


def target_number(target: int | str | None, port: ServicePort, ports: Iterable[ContainerPort]) -> int | None:
    """The number a Service port leads to on a pod with these container ports; None when it has no port of that name."""
    protocol = port.get("protocol") or "TCP"
    if not target:
        return int(port["port"])
    if isinstance(target, int):
        return target
    for name, spoken, number in ports:
        if name == target and spoken == protocol:
            return number
    return None


def endpoint_slices(
    service: Service,
    pods: Sequence[PodEndpoint],
    existing: Sequence[EndpointSlice] = (),
    zone_of: Callable[[str], str] = lambda node: "",
    capacity: Callable[[], Mapping[str, float]] = dict,
) -> dict[str, Raw]:
    """The slices of a Service by name. pods: those it selects. zone_of: a node's zone, or "". capacity: CPUs of each
    zone, asked only for a Service that shares its endpoints out among zones.

    existing: its slices as they are. An endpoint stays in the slice that holds it, and a slice whose ports no endpoint
    has any more is used again. Names of new slices follow from the Service and the contents: same input, same names.
    """
    slices: dict[str, Raw] = {}
    resolved = [(pod, _ports(service, pod)) for pod in pods]
    for family in address_types(service):
        groups: dict[EndpointPorts, dict[str, Endpoint]] = {}
        for pod, ports in resolved:
            addresses = [address for address in pod.addresses if _address_type(address) == family]
            if addresses:
                endpoint = _endpoint(service, pod, addresses, zone_of(pod.node))
                groups.setdefault(ports, {})[pod.uid or pod.name] = endpoint
        if not groups:
            groups[()] = {}  # a Service that selects nothing has one empty slice
        there: dict[EndpointPorts, list[EndpointSlice]] = {}
        for each in existing:
            if each.raw.get("addressType") == family:
                there.setdefault(_ports_of(each), []).append(each)
        spare = [each.name for ports, several in sorted(there.items()) if ports not in groups for each in several]
        for ports, endpoints in groups.items():
            known = there.get(ports, ())
            free = _names(service, family, ports, spare, {each.name for each in known})
            for name, held in _distribute(endpoints, known, free):
                slices[name] = _slice(service, name, family, ports, held)
    _add_trigger_times(slices, service, pods, existing)
    near = nearness(service)
    add_hints(near, slices.values(), capacity() if near == "auto" else {})
    return slices


def _add_trigger_times(
    slices: Mapping[str, Raw], service: Service, pods: Iterable[PodEndpoint], existing: Iterable[EndpointSlice]
) -> None:
    """When the last change happened that the slices follow: from it on counts the time until it is programmed.

    Source: annotation EndpointsLastChangeTriggerTime of the API reference. It never goes back.
    """
    created = service.metadata.get("creationTimestamp") or ""
    before = {each.name: each.annotations.get(TRIGGER_TIME) or "" for each in existing}
    changed = {pod.uid or pod.name: pod.changed for pod in pods}
    for name, raw in slices.items():
        targets = (endpoint["targetRef"] for endpoint in raw["endpoints"])
        times = [changed.get(target.get("uid") or target["name"], "") for target in targets]
        if latest := max((before.get(name, ""), created, *times)):
            raw["metadata"]["annotations"] = {TRIGGER_TIME: latest}


def slice_name(service: Service | Endpoints, family: str, ports: EndpointPorts, number: int) -> str:
    """SERVICE-xxxxx, in the alphabet of generated names (no vowels, no digits that look like letters)."""
    text = f"{service.namespace}/{service.name}/{service.uid}/{family}/{ports}/{number}"
    digest = int.from_bytes(hashlib.blake2b(text.encode(), digest_size=8).digest(), "big")
    suffix = ""
    for _ in range(5):
        digest, index = divmod(digest, len(_ALPHABET))
        suffix += _ALPHABET[index]
    return f"{service.name[:57]}-{suffix}"


def endpoints_object(service: Service, pods: Sequence[PodEndpoint]) -> Raw:
    """The Endpoints object of a Service: one family, at most 1000 addresses, terminating pods left out."""
    family = address_types(service)[0]
    publish = bool(service.spec.get("publishNotReadyAddresses"))
    subsets: dict[EndpointPorts, tuple[list[EndpointAddress], list[EndpointAddress]]] = {}
    taken = 0
    over = False
    # Ready addresses first: they are the last to fall over the edge.
    for pod in sorted(pods, key=lambda pod: (not (publish or pod.ready), pod.name)):
        address = next((each for each in pod.addresses if _address_type(each) == family), None)
        ports = _ports(service, pod)
        if address is None or (pod.terminating and not publish) or (service.spec.get("ports") and not ports):
            continue
        if taken == MAX_ADDRESSES:
            over = True
            break
        taken += 1
        entry: EndpointAddress = {"ip": address}
        if _named_by(service, pod):
            entry["hostname"] = pod.hostname
        if pod.node:
            entry["nodeName"] = pod.node
        entry["targetRef"] = _target(pod)
        subsets.setdefault(ports, ([], []))[0 if publish or pod.ready else 1].append(entry)
    metadata: ObjectMeta = {
        "name": service.name,
        "namespace": service.namespace,
        "labels": {**_labels(service), ENDPOINTS_MANAGED_BY: ENDPOINTS_CONTROLLER},
    }
    if over:
        metadata["annotations"] = {OVER_CAPACITY: "truncated"}
    made: list[EndpointSubset] = []
    for ports, (ready, waiting) in sorted(subsets.items()):
        subset: EndpointSubset = {}
        if ready:
            subset["addresses"] = ready
        if waiting:
            subset["notReadyAddresses"] = waiting
        if ports:
            subset["ports"] = [_port(port, name_always=False) for port in ports]
        made.append(subset)
    return {"apiVersion": "v1", "kind": "Endpoints", "metadata": metadata, "subsets": made}


def _ports(service: Service, pod: PodEndpoint) -> EndpointPorts:
    """The Service's ports as they are on this pod; those it has not are left out."""
    found = []
    for port in service.spec.get("ports") or ():
        number = target_number(port.get("targetPort"), port, pod.ports)
        if number is not None:
            protocol = port.get("protocol") or "TCP"
            found.append((port.get("name") or "", protocol, number, port.get("appProtocol") or ""))
    return tuple(found)


def _names(
    service: Service, family: str, ports: EndpointPorts, spare: list[str], taken: AbstractSet[str]
) -> Iterator[str]:
    """Names for further slices: those that are not needed any more, then new ones."""
    while spare:
        yield spare.pop(0)
    for number in count():
        name = slice_name(service, family, ports, number)
        if name not in taken:
            yield name


def _distribute(
    endpoints: Mapping[str, Endpoint], existing: Sequence[EndpointSlice], names: Iterator[str]
) -> Iterable[tuple[str, list[Endpoint]]]:
    """Endpoints over slices: each where it is, new ones in slices that change anyway, then in the fullest."""
    homeless = dict(endpoints)
    held: dict[str, list[Endpoint]] = {}
    changes: set[str] = set()
    for each in existing:
        for endpoint in each.raw.get("endpoints") or ():
            target = endpoint.get("targetRef") or {}
            kept = homeless.pop(target.get("uid") or target.get("name") or "", None)
            if kept is not None:
                held.setdefault(each.name, []).append(kept)
            if kept != {field: value for field, value in endpoint.items() if field != "hints"}:
                changes.add(each.name)
    if not held and existing:
        held[min(each.name for each in existing)] = []
    waiting = list(homeless.values())
    for name in sorted(held, key=lambda name: (name not in changes, -len(held[name]), name)):
        room = MAX_ENDPOINTS - len(held[name])
        held[name] += waiting[:room]
        waiting = waiting[room:]
    while waiting or not held:
        held[next(names)], waiting = waiting[:MAX_ENDPOINTS], waiting[MAX_ENDPOINTS:]
    return held.items()


def _slice(service: Service, name: str, family: str, ports: EndpointPorts, endpoints: list[Endpoint]) -> Raw:
    owner: OwnerReference = {
        "apiVersion": "v1",
        "kind": "Service",
        "name": service.name,
        "uid": service.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "generateName": f"{service.name}-",
            "namespace": service.namespace,
            "labels": {**_labels(service), SERVICE_NAME: service.name, MANAGED_BY: SLICE_CONTROLLER},
            "ownerReferences": [owner],
        },
        "addressType": family,
        "endpoints": sorted(endpoints, key=lambda endpoint: endpoint["targetRef"]["name"]),
        "ports": [_port(port, name_always=True) for port in ports],
    }


def _endpoint(service: Service, pod: PodEndpoint, addresses: list[str], zone: str) -> Endpoint:
    endpoint: Endpoint = {
        "addresses": addresses,
        "conditions": {
            "ready": is_ready(service, pod),
            "serving": pod.ready,
            "terminating": pod.terminating,
        },
    }
    if _named_by(service, pod):
        endpoint["hostname"] = pod.hostname
    endpoint["targetRef"] = _target(pod)
    if pod.node:
        endpoint["nodeName"] = pod.node
    if zone:
        endpoint["zone"] = zone
    return endpoint


def _ports_of(slice_: EndpointSlice) -> EndpointPorts:
    return tuple(
        (port.get("name") or "", port.get("protocol") or "TCP", port.get("port") or 0, port.get("appProtocol") or "")
        for port in slice_.raw.get("ports") or ()
    )


def _named_by(service: Service, pod: PodEndpoint) -> bool:
    """Has this pod a DNS name of its own under the Service?"""
    return bool(pod.hostname) and pod.subdomain == service.name and pod.namespace == service.namespace


def _target(pod: PodEndpoint) -> ObjectReference:
    return {"kind": "Pod", "namespace": pod.namespace, "name": pod.name, "uid": pod.uid}


def _labels(service: Service) -> dict[str, str]:
    labels = {key: value for key, value in service.labels.items() if key not in _RESERVED}
    if service.spec.get("clusterIP") == "None":
        labels[HEADLESS] = ""
    return labels


def _port(port: tuple[str, Protocol, int, str], *, name_always: bool) -> EndpointPort:
    name, protocol, number, app_protocol = port
    made: EndpointPort = {"port": number, "protocol": protocol}
    if name or name_always:
        made["name"] = name
    if app_protocol:
        made["appProtocol"] = app_protocol
    return made


def _address_type(address: str) -> str:
    return "IPv6" if ":" in address else "IPv4"


_ALPHABET = "bcdfghjklmnpqrstvwxz2456789"
_RESERVED = frozenset({SERVICE_NAME, MANAGED_BY, ENDPOINTS_MANAGED_BY, HEADLESS})
