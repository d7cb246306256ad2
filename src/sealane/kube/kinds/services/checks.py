"""Service, Endpoints, EndpointSlice: https://kubernetes.io/docs/reference/kubernetes-api/service-resources/"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import ip_address, ip_network

from sealane.kube import names
from sealane.kube.checks.common import check_port, check_text, check_unique
from sealane.kube.checks.metadata import check_labels
from sealane.kube.problems import Part, Problem

NODE_PORTS = range(30000, 32768)
_AFFINITY_SECONDS = 86400
_DISTRIBUTIONS = ("PreferClose", "PreferSameNode", "PreferSameZone")
_SOURCE_RANGES = "service.beta.kubernetes.io/load-balancer-source-ranges"
_ENDPOINTS = 1000
_LINK_LOCAL_MULTICAST = (ip_network("224.0.0.0/24"), ip_network("ff02::/16"))
_PORTS = 20000


def check_service(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    kind = spec.text("type", "ClusterIP")
    ports = spec.each("ports")
    headless = spec.text("clusterIP") == "None"
    if not ports and not headless and kind != "ExternalName":
        yield spec["ports"].required()
    yield from _check_ports(ports, kind)
    yield from check_labels(spec["selector"])
    if kind == "ExternalName":
        yield from _check_external_name(spec)
    elif headless and kind in ("NodePort", "LoadBalancer"):
        yield spec["clusterIPs"].invalid(f"may not be set to 'None' for {kind} services", ["None"])
    yield from _check_addresses(spec)
    yield from _check_policies(spec, kind)
    yield from _check_annotated_ranges(obj["metadata"]["annotations"], spec, kind)


def _check_ports(ports: list[Part], kind: str) -> Iterator[Problem]:
    seen: set[tuple[str, int]] = set()
    seen_nodes: set[tuple[str, int]] = set()
    for port in ports:
        if len(ports) > 1 and port["name"].empty:
            yield port["name"].required()
        yield from check_text(port["name"], names.dns_label)
        yield from check_port(port["port"], None)
        yield from check_port(port["targetPort"])
        yield from check_text(port["appProtocol"], names.qualified_name)
        protocol, number, node = port.text("protocol", "TCP"), port.number("port"), port.number("nodePort")
        if number is not None:
            if (protocol, number) in seen:
                yield port.duplicate()
            seen.add((protocol, number))
        if node:
            if kind in ("ClusterIP", "ExternalName"):
                yield port["nodePort"].forbidden(f"may not be used when `type` is '{kind}'")
            elif node not in NODE_PORTS:
                span = f"{NODE_PORTS.start}-{NODE_PORTS.stop - 1}"
                yield port["nodePort"].invalid(
                    f"provided port is not in the valid range. The range of valid ports is {span}"
                )
            if (protocol, node) in seen_nodes:
                yield port["nodePort"].duplicate()
            seen_nodes.add((protocol, node))
    yield from check_unique(ports, "name")


def _check_external_name(spec: Part) -> Iterator[Problem]:
    if spec["externalName"].empty:
        yield spec["externalName"].required()
    name = spec.text("externalName").removesuffix(".")
    yield from (spec["externalName"].invalid(why) for why in names.dns_subdomain(name) if name)
    if spec.text("clusterIP") not in ("", "None"):
        yield spec["clusterIP"].forbidden("may not be set for ExternalName services")


def _check_addresses(spec: Part) -> Iterator[Problem]:
    if spec.text("clusterIP") != "None":
        yield from check_text(spec["clusterIP"], names.address)
    for each in spec.each("clusterIPs"):
        if each.value != "None":
            yield from check_text(each, names.address)
    for each in spec.each("externalIPs"):
        yield from check_text(each, names.address)
    yield from check_text(spec["loadBalancerIP"], names.address)
    for each in spec.each("loadBalancerSourceRanges"):
        yield from check_text(each, names.cidr)
    seen: set[object] = set()
    for family in spec.each("ipFamilies"):
        if isinstance(family.value, str) and family.value in seen:
            yield family.duplicate()
        seen.add(family.value if isinstance(family.value, str) else None)


def _check_policies(spec: Part, kind: str) -> Iterator[Problem]:
    external = kind in ("NodePort", "LoadBalancer") or bool(spec.each("externalIPs"))
    if "externalTrafficPolicy" in spec and not spec["externalTrafficPolicy"].empty and not external:
        yield spec["externalTrafficPolicy"].invalid("may only be set for externally-accessible services")
    if spec.each("loadBalancerSourceRanges") and kind != "LoadBalancer":
        yield spec["loadBalancerSourceRanges"].forbidden("may only be used when `type` is 'LoadBalancer'")
    health = spec["healthCheckNodePort"]
    if spec.number("healthCheckNodePort") and (kind, spec.text("externalTrafficPolicy")) != ("LoadBalancer", "Local"):
        yield health.invalid("may only be set when `type` is 'LoadBalancer' and `externalTrafficPolicy` is 'Local'")
    if "trafficDistribution" in spec and spec.text("trafficDistribution") not in _DISTRIBUTIONS:
        yield spec["trafficDistribution"].not_supported(_DISTRIBUTIONS)
    for field in ("loadBalancerClass", "allocateLoadBalancerNodePorts"):
        if field in spec and kind != "LoadBalancer":
            yield spec[field].forbidden("may only be used when `type` is 'LoadBalancer'")
    affinity = spec["sessionAffinityConfig"]
    if affinity.present and spec.text("sessionAffinity", "None") == "None":
        yield affinity.forbidden("must not be set when session affinity is None")
    seconds = affinity["clientIP"].number("timeoutSeconds")
    if seconds is not None and not 0 < seconds <= _AFFINITY_SECONDS:
        yield affinity["clientIP"]["timeoutSeconds"].invalid(
            f"must be greater than 0 and less than or equal to {_AFFINITY_SECONDS}"
        )


def _check_annotated_ranges(annotations: Part, spec: Part, kind: str) -> Iterator[Problem]:
    """Source: validateService in pkg/apis/core/validation of Kubernetes."""
    ranges = annotations[_SOURCE_RANGES]
    if not ranges.present or spec.each("loadBalancerSourceRanges") or not isinstance(ranges.value, str):
        return
    if kind != "LoadBalancer":
        yield ranges.forbidden("may only be used when `type` is 'LoadBalancer'")
    for text in ranges.value.strip().split(",") if ranges.value.strip() else ():
        yield from check_text(Part(text.strip(), ranges.path), names.cidr)


def check_endpoint_slice(obj: Part) -> Iterator[Problem]:
    endpoints, ports = obj.each("endpoints"), obj.each("ports")
    if len(endpoints) > _ENDPOINTS:
        yield obj["endpoints"].invalid(f"must have at most {_ENDPOINTS} items", len(endpoints))
    family = obj.text("addressType")
    check = names.dns_subdomain if family == "FQDN" else names.address
    for endpoint in endpoints:
        if endpoint["addresses"].empty:
            yield endpoint["addresses"].required("must contain at least 1 address")
        for each in endpoint.each("addresses"):
            yield from check_text(each, check)
            if family in ("IPv4", "IPv6") and isinstance(each.value, str) and (":" in each.value) != (family == "IPv6"):
                yield each.invalid(f"must be an {family} address")
            if family in ("IPv4", "IPv6"):
                yield from _check_not_special(each)
        yield from check_text(endpoint["hostname"], names.dns_label)
        yield from check_text(endpoint["nodeName"], names.dns_subdomain)
    if len(ports) > _PORTS:
        yield obj["ports"].invalid(f"must have at most {_PORTS} items", len(ports))
    seen: set[str] = set()
    for port in ports:
        if port.text("name") in seen:
            yield port["name"].duplicate()
        seen.add(port.text("name"))
        yield from check_port(port["port"], None)


def _check_not_special(address: Part) -> Iterator[Problem]:
    """Addresses that no endpoint may have: ValidateNonSpecialIP in pkg/apis/core/validation of Kubernetes."""
    try:
        ip = ip_address(str(address.value))
    except ValueError:
        return
    if ip.is_unspecified:
        yield address.invalid("may not be unspecified")
    elif ip.is_loopback:
        yield address.invalid("may not be in the loopback range (127.0.0.0/8, ::1/128)")
    elif ip.is_link_local:
        yield address.invalid("may not be in the link-local range (169.254.0.0/16, fe80::/10)")
    elif any(ip in each for each in _LINK_LOCAL_MULTICAST if each.version == ip.version):
        yield address.invalid("may not be in the link-local multicast range (224.0.0.0/24, ff02::/10)")


def check_endpoints(obj: Part) -> Iterator[Problem]:
    for subset in obj.each("subsets"):
        for field in ("addresses", "notReadyAddresses"):
            for address in subset.each(field):
                yield from check_text(address["ip"], names.address)
                yield from _check_not_special(address["ip"])
        for port in subset.each("ports"):
            yield from check_port(port["port"], None)
        yield from check_unique(subset.each("ports"), "name")


def check_ip_address(obj: Part) -> Iterator[Problem]:
    parent = obj["spec"]["parentRef"]
    if not parent.present:
        yield parent.required()
        return
    for field in ("resource", "name"):
        if parent[field].empty:
            yield parent[field].required()


def check_service_cidr(obj: Part) -> Iterator[Problem]:
    cidrs = obj["spec"]["cidrs"]
    given = obj["spec"].each("cidrs")
    if not given:
        yield cidrs.required("at least one CIDR required")
    elif len(given) > 2:
        yield cidrs.invalid("may only hold up to 2 values", [each.value for each in given])
    for each in given:
        yield from check_text(each, names.cidr)
    if len(given) == 2 and len({":" in str(each.value) for each in given}) < 2:
        why = "may specify no more than one IP for each IP family, i.e 192.168.0.0/24 and 2001:db8::/64"
        yield cidrs.invalid(why, [each.value for each in given])
