"""NetworkPolicy, Ingress, IngressClass: https://kubernetes.io/docs/reference/kubernetes-api/policy-resources/"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network

from sealane.kube import names
from sealane.kube.checks.common import check_port, check_text
from sealane.kube.checks.metadata import check_selector
from sealane.kube.problems import Part, Problem


def check_network_policy(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    yield from check_selector(spec["podSelector"])
    for direction, peers in (("ingress", "from"), ("egress", "to")):
        for rule in spec.each(direction):
            for port in rule.each("ports"):
                yield from _check_policy_port(port)
            for peer in rule.each(peers):
                yield from _check_peer(peer)
    if len(spec.each("policyTypes")) > 2:
        yield spec["policyTypes"].invalid("may not specify more than two policyTypes")


def _check_policy_port(port: Part) -> Iterator[Problem]:
    yield from check_port(port["port"])
    end = port.number("endPort")
    if end is None:
        return
    number = port.number("port")
    if not port["port"].present:
        yield port["endPort"].invalid("may not be specified when `port` is not specified")
    elif number is None:
        yield port["endPort"].invalid("may not be specified when `port` is non-numeric")
    elif end < number:
        yield port["endPort"].invalid("must be greater than or equal to `port`")
    yield from check_port(port["endPort"], None)


def _check_peer(peer: Part) -> Iterator[Problem]:
    given = [each for each in ("podSelector", "namespaceSelector", "ipBlock") if each in peer]
    if not given:
        yield peer.required("must specify a peer")
    yield from check_selector(peer["podSelector"])
    yield from check_selector(peer["namespaceSelector"])
    block = peer["ipBlock"]
    if not block.present:
        return
    if len(given) > 1:
        yield peer.forbidden("may not specify both ipBlock and another peer")
    yield from check_text(block["cidr"], names.cidr)
    outer = names.network(block.text("cidr"))
    for each in block.each("except"):
        if not isinstance(each.value, str):
            continue
        inner = names.network(each.value)
        if inner is None:
            yield from check_text(each, names.cidr)
        elif outer is not None and not _strictly_inside(inner, outer):
            yield each.invalid("must be a strict subset of `cidr`")


def _strictly_inside(inner: IPv4Network | IPv6Network, outer: IPv4Network | IPv6Network) -> bool:
    if isinstance(inner, IPv4Network) and isinstance(outer, IPv4Network):
        return inner.subnet_of(outer) and inner != outer
    if isinstance(inner, IPv6Network) and isinstance(outer, IPv6Network):
        return inner.subnet_of(outer) and inner != outer
    return False


def check_ingress(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    if not spec.each("rules") and not spec["defaultBackend"].present:
        yield spec.invalid("either `defaultBackend` or `rules` must be specified", [])
    if spec["defaultBackend"].present:
        yield from _check_backend(spec["defaultBackend"])
    yield from check_text(spec["ingressClassName"], names.dns_subdomain)
    for rule in spec.each("rules"):
        yield from _check_host(rule["host"])
        for path in rule["http"].each("paths"):
            kind, text = path.text("pathType"), path.text("path")
            if kind in ("Exact", "Prefix"):
                if not text.startswith("/"):
                    yield path["path"].invalid("must be an absolute path", text)
                for part in ("//", "/./", "/../", "%2f", "%2F"):
                    if part in text:
                        yield path["path"].invalid(f"must not contain '{part}'")
            elif text and not text.startswith("/"):
                yield path["path"].invalid("must be an absolute path")
            if path["backend"].present:
                yield from _check_backend(path["backend"])
    for tls in spec.each("tls"):
        for host in tls.each("hosts"):
            yield from _check_host(host)
        yield from check_text(tls["secretName"], names.dns_subdomain)


def _check_host(host: Part) -> Iterator[Problem]:
    if not isinstance(host.value, str) or not host.value:
        return
    if not any(names.address(host.value)):
        yield host.invalid("must be a DNS name, not an IP address")
    elif "*" in host.value:
        yield from check_text(host, names.wildcard_subdomain)
    else:
        yield from check_text(host, names.dns_subdomain)


def _check_backend(backend: Part) -> Iterator[Problem]:
    service, resource = backend["service"], backend["resource"]
    if service.present and resource.present:
        yield backend.invalid("cannot set both resource and service backends", "")
    elif not service.present and not resource.present:
        yield backend.required("must specify a service or a resource")
    if not service.present:
        return
    yield from check_text(service["name"], names.dns_1035_label)
    port = service["port"]
    name, number = port.text("name"), port.number("number")
    if name and number:
        yield port.invalid("cannot set both port name & port number", "")
    elif not name and not number:
        yield port.required("port name or number is required")
    yield from check_text(port["name"], names.port_name)
    if number:
        yield from check_port(port["number"], None)


def check_ingress_class(obj: Part) -> Iterator[Problem]:
    controller = obj["spec"]["controller"]
    if controller.empty:
        yield controller.required()
    elif isinstance(controller.value, str) and "/" not in controller.value:
        yield controller.invalid('must be a domain-prefixed path (such as "acme.io/foo")')
