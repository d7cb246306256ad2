"""EndpointSlices for Endpoints that someone wrote by hand, so that whoever reads slices needs nothing else.

Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring (KEP-752):
mirrored unless labelled endpointslice.kubernetes.io/skip-mirror, used for a leader election, of a Service that is not
there or that has a selector. At most 1000 addresses of a subset.
"""

from __future__ import annotations

from sealane.kube.objects import Object, Raw
from sealane.network.endpoints import (
    ENDPOINTS_CONTROLLER,
    ENDPOINTS_MANAGED_BY,
    MANAGED_BY,
    MAX_ADDRESSES,
    MAX_ENDPOINTS,
    OVER_CAPACITY,
    SERVICE_NAME,
    EndpointPorts,
    slice_name,
)

MIRRORING_CONTROLLER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
_LEFT_OUT = frozenset({"kubectl.kubernetes.io/last-applied-configuration", OVER_CAPACITY})


def is_mirrored(endpoints: Object, service: Object | None) -> bool:
    if service is None or endpoints.deleting or service.spec.get("selector"):
        return False
    return (
        endpoints.labels.get(SKIP) != "true"
        and endpoints.labels.get(ENDPOINTS_MANAGED_BY) != ENDPOINTS_CONTROLLER
        and LEADER not in endpoints.annotations
    )


def mirrored_slices(endpoints: Object) -> dict[str, Raw]:
    """Slices by name, at least one: one for each family, set of ports and 100 addresses."""
    groups: dict[tuple[str, EndpointPorts], list[Raw]] = {}
    for subset in endpoints.raw.get("subsets") or ():
        ports = tuple(
            (port.get("name") or "", port.get("protocol") or "TCP", port["port"], port.get("appProtocol") or "")
            for port in subset.get("ports") or ()
        )
        given = [
            (address, ready)
            for field, ready in (("addresses", True), ("notReadyAddresses", False))
            for address in subset.get(field) or ()
        ]
        for address, ready in given[:MAX_ADDRESSES]:
            family = "IPv6" if ":" in address["ip"] else "IPv4"
            groups.setdefault((family, ports), []).append(_endpoint(address, ready))
    slices: dict[str, Raw] = {}
    for (family, ports), found in sorted((groups or {("IPv4", ()): []}).items(), key=lambda group: group[0]):
        for number in range(0, max(len(found), 1), MAX_ENDPOINTS):
            name = slice_name(endpoints, family, ports, number)
            slices[name] = _slice(endpoints, name, family, ports, found[number : number + MAX_ENDPOINTS])
    return slices


def _endpoint(address: Raw, ready: bool) -> Raw:
    endpoint: Raw = {"addresses": [address["ip"]], "conditions": {"ready": ready}}
    endpoint |= {field: address[field] for field in ("hostname", "nodeName", "targetRef") if address.get(field)}
    return endpoint


def _slice(endpoints: Object, name: str, family: str, ports: EndpointPorts, found: list[Raw]) -> Raw:
    owner = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "name": endpoints.name,
        "uid": endpoints.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata: Raw = {
        "name": name,
        "generateName": f"{endpoints.name}-",
        "namespace": endpoints.namespace,
        "labels": {**endpoints.labels, SERVICE_NAME: endpoints.name, MANAGED_BY: MIRRORING_CONTROLLER},
        "ownerReferences": [owner],
    }
    annotations = {key: value for key, value in endpoints.annotations.items() if key not in _LEFT_OUT}
    if annotations:
        metadata["annotations"] = annotations
    named = [
        {
            "name": port,
            "protocol": protocol,
            "port": number,
            **({"appProtocol": application} if application else {}),
        }
        for port, protocol, number, application in ports
    ]
    return {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": metadata,
        "addressType": family,
        "endpoints": found,
        "ports": named,
    }
