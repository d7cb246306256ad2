"""Packets and proxies are given the same endpoints: what the Service model chooses from any EndpointSlices, and what a
route's backend does."""

from __future__ import annotations

from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from sealane.kube.objects import Key, Object
from sealane.network.routes import backends
from sealane.network.routes.sources import Sources
from sealane.network.services import Place, select_backends, service_model
from sealane.reactive.collections import Fetch
from sealane.reactive.objects import Objects

SERVICE: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Service",
    "metadata": {"namespace": "shop", "name": "web"},
    "spec": {
        "clusterIP": "10.96.0.9",
        "clusterIPs": ["10.96.0.9", "fd00:10:96::9"],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP"}, {"name": "dns", "port": 53, "protocol": "UDP"}],
    },
}
ADDRESSES = {
    "IPv4": st.sampled_from(["10.244.1.2", "10.244.1.3", "10.244.2.2"]),
    "IPv6": st.sampled_from(["fd00:10:244:1::2", "fd00:10:244:1:0::2", "FD00:10:244:1::3"]),
    "FQDN": st.sampled_from(["a.example.com", "b.example.com"]),
}


@st.composite
def endpoint(draw: st.DrawFn, family: str) -> dict[str, Any]:
    stated = st.dictionaries(st.sampled_from(["ready", "serving", "terminating"]), st.sampled_from([True, False, None]))
    found: dict[str, Any] = {"addresses": draw(st.lists(ADDRESSES[family], min_size=1, max_size=2))}
    conditions = draw(st.none() | stated)
    return found if conditions is None else {**found, "conditions": conditions}


@st.composite
def port(draw: st.DrawFn) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for field, values in (
        ("name", ["http", "dns", "", None]),
        ("protocol", ["TCP", "UDP", None]),
        ("port", [8080, 9090, None]),
    ):
        if draw(st.booleans()):
            found[field] = draw(st.sampled_from(values))
    return found


@st.composite
def slices(draw: st.DrawFn) -> list[Object]:
    found = []
    for number in range(draw(st.integers(0, 3))):
        family = draw(st.sampled_from(list(ADDRESSES)))
        raw = {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "namespace": "shop",
                "name": f"web-{number}",
                "labels": {"kubernetes.io/service-name": "web"},
            },
            "addressType": family,
            "ports": draw(st.none() | st.lists(port(), max_size=3)),
            "endpoints": draw(st.none() | st.lists(endpoint(family), max_size=3)),
        }
        found.append(Object(raw))
    return found


def of_packets(service: Object, given_slices: list[Object], families: list[str]) -> list[tuple[str, int]]:
    model = service_model(service, given_slices)
    for name in families:
        for frontend in model.ports[0].frontends:
            if frontend.family == (6 if name == "IPv6" else 4):
                chosen = select_backends(model, model.ports[0], frontend, Place("")).backends
                if chosen:
                    return sorted((each.address, each.port) for each in chosen)
    return []


def of_proxies(service: Object, given_slices: list[Object]) -> list[tuple[str, int]]:
    sources = Sources.of(Objects.of([service, *given_slices]))
    key = backends.BackendKey(Key("", "Service", "shop", "web"), 80)
    return list(backends.endpoints(key, sources, Fetch(1 << 30)).addresses)


@given(slices(), st.sampled_from([["IPv4"], ["IPv6"], ["IPv4", "IPv6"], ["IPv6", "IPv4"]]))
def test_both_readers_choose_the_same(found: list[Object], families: list[str]) -> None:
    service = Object({**SERVICE, "spec": {**SERVICE["spec"], "ipFamilies": families}})
    every = list(dict.fromkeys([*families, "IPv4", "IPv6"]))
    assert of_proxies(service, found) == of_packets(service, found, every)


def test_an_endpoint_that_serves_and_does_not_terminate_is_not_chosen() -> None:
    """kube-proxy falls back to endpoints that serve only where they terminate (KEP-1669)."""
    raw = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"namespace": "shop", "name": "web-0", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "ports": [{"name": "http", "port": 8080}],
        "endpoints": [{"addresses": ["10.244.1.2"], "conditions": {"ready": False, "serving": True}}],
    }
    assert of_proxies(Object(SERVICE), [Object(raw)]) == []
