"""EndpointSlices for Endpoints that someone wrote by hand, so that whoever reads slices needs nothing else.

Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring (KEP-752):
mirrored unless labelled endpointslice.kubernetes.io/skip-mirror, used for a leader election, of a Service that is not
there or that has a selector. Subsets with the same ports count as one, of which at most 1000 addresses are mirrored,
ready ones first, into one slice of each family.
"""

from __future__ import annotations

from sealane.kube.objects import Object, Raw
from sealane.network.addresses import canonical
from sealane.network.services.slices import (
    ENDPOINTS_CONTROLLER,
    ENDPOINTS_MANAGED_BY,
    MANAGED_BY,
    MAX_ADDRESSES,
    SERVICE_NAME,
    EndpointPorts,
    slice_name,
)

MIRRORING_CONTROLLER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
_LEFT_OUT = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", "endpoints.kubernetes.io/last-change-trigger-time"}
)


def is_mirrored(endpoints: Object, service: Object | None) -> bool:
    if service is None or endpoints.deleting or service.spec.get("selector"):
        return False
    return (
        endpoints.labels.get(SKIP) != "true"
        and endpoints.labels.get(ENDPOINTS_MANAGED_BY) != ENDPOINTS_CONTROLLER
        and LEADER not in endpoints.annotations
    )


def mirrored_slices(endpoints: Object) -> dict[str, Raw]:
    """Slices by name, at least one: one for each family and set of ports."""
    groups: dict[tuple[str, EndpointPorts], list[Raw]] = {}
    for ports, given in _subsets(endpoints).items():
        for address, ready in given[:MAX_ADDRESSES]:
            family = "IPv6" if ":" in address["ip"] else "IPv4"
            groups.setdefault((family, ports), []).append(_endpoint(address, ready))
    slices: dict[str, Raw] = {}
    for (family, ports), found in sorted((groups or {("IPv4", ()): []}).items(), key=lambda group: group[0]):
        name = slice_name(endpoints, family, ports, 0)
        slices[name] = _slice(endpoints, name, family, ports, found)
    return slices


def left_out(endpoints: Object) -> int:
    """How many addresses are too many to be mirrored."""
    return sum(max(len(given) - MAX_ADDRESSES, 0) for given in _subsets(endpoints).values())


def _subsets(endpoints: Object) -> dict[EndpointPorts, list[tuple[Raw, bool]]]:
    """Addresses by ports, each with whether it is ready; the ready ones first."""
    found: dict[EndpointPorts, list[tuple[Raw, bool]]] = {}
    for field, ready in (("addresses", True), ("notReadyAddresses", False)):
        for subset in endpoints.raw.get("subsets") or ():
            ports = tuple(
                (port.get("name") or "", port.get("protocol") or "TCP", port["port"], port.get("appProtocol") or "")
                for port in subset.get("ports") or ()
            )
            found.setdefault(ports, []).extend((address, ready) for address in subset.get(field) or ())
    return found


def _endpoint(address: Raw, ready: bool) -> Raw:
    endpoint: Raw = {"addresses": [canonical(address["ip"])], "conditions": {"ready": ready}}
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
