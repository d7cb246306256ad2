"""EndpointSlices for Endpoints that were written by hand, so that readers of slices need nothing else.

Source: https://kubernetes.io/docs/concepts/services-networking/endpoint-slices/#endpointslice-mirroring (KEP-752):
mirrored unless labelled endpointslice.kubernetes.io/skip-mirror, used for a leader election, of a Service that is not
there or that has a selector. Subsets with the same ports count as one, of which at most 1000 addresses are mirrored,
ready ones first, into one slice of each family.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealane.kube.objects import Raw
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

if TYPE_CHECKING:
    from sealane.kube.shapes import Endpoints, Service
    from sealane.kube.shapes.core_v1 import EndpointAddress
    from sealane.kube.shapes.discovery_v1 import Endpoint, EndpointPort
    from sealane.kube.shapes.meta_v1 import ObjectMeta, OwnerReference

MIRRORING_CONTROLLER = "endpointslicemirroring-controller.k8s.io"
SKIP = "endpointslice.kubernetes.io/skip-mirror"
LEADER = "control-plane.alpha.kubernetes.io/leader"
_LEFT_OUT = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", "endpoints.kubernetes.io/last-change-trigger-time"}
)


def is_mirrored(endpoints: Endpoints, service: Service | None) -> bool:
    if service is None or endpoints.deleting or service.spec.get("selector"):
        return False
    return (
        endpoints.labels.get(SKIP) != "true"
        and endpoints.labels.get(ENDPOINTS_MANAGED_BY) != ENDPOINTS_CONTROLLER
        and LEADER not in endpoints.annotations
    )


def mirrored_slices(endpoints: Endpoints) -> dict[str, Raw]:
    """Slices by name, at least one: one for each family and set of ports."""
    groups: dict[tuple[str, EndpointPorts], list[Endpoint]] = {}
    for ports, given in _subsets(endpoints).items():
        for address, ready in given[:MAX_ADDRESSES]:
            family = "IPv6" if ":" in address["ip"] else "IPv4"
            groups.setdefault((family, ports), []).append(_endpoint(address, ready))
    slices: dict[str, Raw] = {}
    for (family, ports), found in sorted((groups or {("IPv4", ()): []}).items(), key=lambda group: group[0]):
        name = slice_name(endpoints, family, ports, 0)
        slices[name] = _slice(endpoints, name, family, ports, found)
    return slices


def left_out(endpoints: Endpoints) -> int:
    """The number of addresses beyond those that can be mirrored."""
    return sum(max(len(given) - MAX_ADDRESSES, 0) for given in _subsets(endpoints).values())


def _subsets(endpoints: Endpoints) -> dict[EndpointPorts, list[tuple[EndpointAddress, bool]]]:
    """Addresses by ports, each with whether it is ready; the ready ones first."""
    found: dict[EndpointPorts, list[tuple[EndpointAddress, bool]]] = {}
    for ready in (True, False):
        for subset in endpoints.raw.get("subsets") or ():
            ports = tuple(
                (port.get("name") or "", port.get("protocol") or "TCP", port["port"], port.get("appProtocol") or "")
                for port in subset.get("ports") or ()
            )
            addresses = subset.get("addresses") if ready else subset.get("notReadyAddresses")
            found.setdefault(ports, []).extend((address, ready) for address in addresses or ())
    return found


def _endpoint(address: EndpointAddress, ready: bool) -> Endpoint:
    endpoint: Endpoint = {"addresses": [canonical(address["ip"])], "conditions": {"ready": ready}}
    if address.get("hostname"):
        endpoint["hostname"] = address["hostname"]
    if address.get("nodeName"):
        endpoint["nodeName"] = address["nodeName"]
    if address.get("targetRef"):
        endpoint["targetRef"] = address["targetRef"]
    return endpoint


def _slice(endpoints: Endpoints, name: str, family: str, ports: EndpointPorts, found: list[Endpoint]) -> Raw:
    owner: OwnerReference = {
        "apiVersion": "v1",
        "kind": "Endpoints",
        "name": endpoints.name,
        "uid": endpoints.uid,
        "controller": True,
        "blockOwnerDeletion": True,
    }
    metadata: ObjectMeta = {
        "name": name,
        "generateName": f"{endpoints.name}-",
        "namespace": endpoints.namespace,
        "labels": {**endpoints.labels, SERVICE_NAME: endpoints.name, MANAGED_BY: MIRRORING_CONTROLLER},
        "ownerReferences": [owner],
    }
    annotations = {key: value for key, value in endpoints.annotations.items() if key not in _LEFT_OUT}
    if annotations:
        metadata["annotations"] = annotations
    named: list[EndpointPort] = [
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
