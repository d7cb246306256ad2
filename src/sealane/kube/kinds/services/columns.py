"""Columns of `kubectl get` for Services, their endpoints and addresses.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, NONE, labels, more, shown, spec_of, status_of, text
from sealane.kube.objects import Raw


def _external(raw: Raw) -> str:
    spec = spec_of(raw)
    outside = list(spec.get("externalIPs") or ())
    match spec.get("type", "ClusterIP"):
        case "ExternalName":
            return str(spec.get("externalName") or NONE)
        case "LoadBalancer":
            entries = (status_of(raw).get("loadBalancer") or {}).get("ingress") or ()
            found = [each.get("ip") or each.get("hostname") or "" for each in entries]
            return ",".join(filter(None, [*found, *outside])) or "<pending>"
        case _:
            return ",".join(outside) or NONE


def _service_ports(raw: Raw) -> str:
    ports = []
    for each in spec_of(raw).get("ports") or ():
        node = f":{each['nodePort']}" if each.get("nodePort") else ""
        ports.append(f"{each.get('port')}{node}/{each.get('protocol', 'TCP')}")
    return ",".join(ports) or NONE


def _endpoints(raw: Raw) -> str:
    found: list[str] = []
    for subset in raw.get("subsets") or ():
        for address in subset.get("addresses") or ():
            host = address.get("ip", "")
            host = f"[{host}]" if ":" in host else host
            found += [f"{host}:{port.get('port')}" for port in subset.get("ports") or ()] or [host]
    return more(found)


def _slice_ports(raw: Raw) -> str:
    ports = raw.get("ports") or ()
    return more([str(each.get("port") or "*") for each in ports]) if ports else "<unset>"


def _slice_endpoints(raw: Raw) -> str:
    return more([address for each in raw.get("endpoints") or () for address in each.get("addresses") or ()])


def _parent_reference(raw: Raw) -> str:
    reference = spec_of(raw).get("parentRef") or {}
    group = f".{reference['group']}" if reference.get("group") else ""
    parts = (f"{reference.get('resource', '')}{group}", reference.get("namespace"), reference.get("name"))
    return "/".join(part for part in parts if part) or "<none>"


SERVICE = (
    NAME,
    text("Type", "spec", "type"),
    text("Cluster-IP", "spec", "clusterIP"),
    shown("External-IP", _external),
    shown("Port(s)", _service_ports),
    AGE,
    shown("Selector", lambda raw: labels(spec_of(raw).get("selector")), wide=True),
)
ENDPOINTS = (NAME, shown("Endpoints", _endpoints), AGE)
ENDPOINT_SLICE = (
    NAME,
    text("AddressType", "addressType"),
    shown("Ports", _slice_ports),
    shown("Endpoints", _slice_endpoints),
    AGE,
)
IP_ADDRESS = (NAME, shown("ParentRef", _parent_reference), AGE)
SERVICE_CIDR = (NAME, shown("CIDRs", lambda raw: ",".join(spec_of(raw).get("cidrs") or ())), AGE)
