"""resolv.conf by dnsPolicy and dnsConfig, and the names asked for."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.objects import Object
from sealane.network.names import Resolver, pod_resolver, queries

NODE = Resolver(("192.0.2.53",), ("corp.example",), ("timeout:1",))


def pod(**spec: Any) -> Object:
    return Object({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": "shop"}, "spec": spec})


def test_cluster_first() -> None:
    resolver = pod_resolver(pod(), NODE)
    assert resolver.text() == (
        "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\n"
        "nameserver 10.96.0.10\n"
        "options ndots:5\n"
    )
    assert Resolver.parse(resolver.text()) == resolver


def test_default_is_the_nodes() -> None:
    assert pod_resolver(pod(dnsPolicy="Default"), NODE) == NODE
    assert pod_resolver(pod(hostNetwork=True), NODE) == NODE
    assert pod_resolver(pod(hostNetwork=True, dnsPolicy="ClusterFirstWithHostNet"), NODE).ndots == 5


def test_dns_config_is_merged() -> None:
    config = {
        "nameservers": ["192.0.2.1"],
        "searches": ["ns1.svc.cluster-domain.example"],
        "options": [{"name": "ndots", "value": "2"}, {"name": "edns0"}],
    }
    assert pod_resolver(pod(dnsPolicy="None", dnsConfig=config)) == Resolver(
        ("192.0.2.1",), ("ns1.svc.cluster-domain.example",), ("ndots:2", "edns0")
    )
    merged = pod_resolver(pod(dnsConfig=config))
    assert merged.nameservers == ("10.96.0.10", "192.0.2.1")
    assert merged.searches[-1] == "ns1.svc.cluster-domain.example"
    assert merged.options == ("ndots:2", "edns0")


@pytest.mark.parametrize(
    ("name", "asked"),
    [
        ("cart", ["cart.shop.svc.cluster.local", "cart.svc.cluster.local", "cart.cluster.local", "cart"]),
        ("Example.com.", ["example.com"]),
        ("a.b.c.d.e.f", ["a.b.c.d.e.f", "a.b.c.d.e.f.shop.svc.cluster.local"]),
    ],
)
def test_queries(name: str, asked: list[str]) -> None:
    assert list(queries(name, pod_resolver(pod())))[: len(asked)] == asked
