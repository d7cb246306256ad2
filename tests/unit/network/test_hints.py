"""Hints in EndpointSlices."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.kube.objects import Object, Raw
from sealane.network.services.hints import (
    OVERLOAD,
    NodeShare,
    add_hints,
    nearness,
    node_share,
    why_not_shared,
    zone_capacity,
)


def slice_of(*zones: str, ready: bool = True) -> Raw:
    endpoints = [
        {"conditions": {"ready": ready}, "nodeName": f"node-{zone}", **({"zone": zone} if zone else {})}
        for zone in zones
    ]
    return {"addressType": "IPv4", "endpoints": endpoints}


def hints(slice_: Raw) -> list[Any]:
    return [endpoint.get("hints") for endpoint in slice_["endpoints"]]


@pytest.mark.parametrize(
    ("spec", "annotations", "expected"),
    [
        ({}, {}, ""),
        ({"trafficDistribution": "PreferClose"}, {}, "zone"),
        ({"trafficDistribution": "PreferSameZone"}, {}, "zone"),
        ({"trafficDistribution": "PreferSameNode"}, {}, "node"),
        ({"trafficDistribution": "PreferSameNode"}, {"service.kubernetes.io/topology-mode": "Auto"}, "auto"),
        ({}, {"service.kubernetes.io/topology-aware-hints": "auto"}, "auto"),
        ({}, {"service.kubernetes.io/topology-mode": "Disabled"}, ""),
    ],
)
def test_what_a_service_asks_for(spec: Raw, annotations: dict[str, str], expected: str) -> None:
    metadata = {"name": "web", "annotations": annotations}
    assert nearness(Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})) == expected


def test_each_endpoint_is_for_its_own_zone_and_node() -> None:
    found = slice_of("east", "")
    add_hints("node", [found], {})
    zone = {"forZones": [{"name": "east"}], "forNodes": [{"name": "node-east"}]}
    assert hints(found) == [zone, {"forNodes": [{"name": "node-"}]}]
    waiting = slice_of("east", ready=False)
    add_hints("zone", [waiting], {})
    assert hints(waiting) == [None]


@pytest.mark.parametrize(
    ("zones", "capacity"),
    [
        (["east", "west", "east"], {}),  # a node without a zone
        (["east", "east"], {"east": 4.0}),  # one zone
        (["east", ""], {"east": 4.0, "west": 4.0}),
        (["east"], {"east": 4.0, "west": 4.0}),  # too few
    ],
)
def test_no_hints_where_sharing_cannot_be_even(zones: list[str], capacity: dict[str, float]) -> None:
    found = slice_of(*zones)
    add_hints("auto", [found], capacity)
    assert hints(found) == [None] * len(zones)


def test_no_zone_gives_what_it_needs_itself() -> None:
    found = slice_of(*"aaaaaa")
    add_hints("auto", [found], {"a": 7.0, "b": 1.0, "c": 1.0})
    assert Counter(hint["forZones"][0]["name"] for hint in hints(found) if hint) == {"a": 4, "b": 1, "c": 1}


@given(
    st.dictionaries(st.sampled_from("abcd"), st.integers(1, 16).map(float), min_size=2),
    st.data(),
)
def test_shares_are_fair(capacity: dict[str, float], data: st.DataObject) -> None:
    found = slice_of(*data.draw(st.lists(st.sampled_from(sorted(capacity)), max_size=30)))
    add_hints("auto", [found], capacity)
    total = len(found["endpoints"])
    given_ = Counter(hint["forZones"][0]["name"] for hint in hints(found) if hint)
    assert sum(given_.values()) in (0, total)
    for zone, cpus in capacity.items() if given_ else ():
        share = total * cpus / sum(capacity.values())
        assert share / given_[zone] <= 1 + OVERLOAD + 1e-9, (zone, given_)


def test_capacity() -> None:
    assert zone_capacity([NodeShare("a", 2), NodeShare("a", 0.5), NodeShare("b", 1)]) == {"a": 2.5, "b": 1}
    assert zone_capacity([NodeShare("a", 2), NodeShare("", 1)]) == {}
    raw = {"apiVersion": "v1", "kind": "Node", "metadata": {"name": "n"}, "status": {"allocatable": {"cpu": "1500m"}}}
    assert node_share(Object(raw)) == NodeShare("", 1.5)


@pytest.mark.parametrize(
    ("zones", "capacity", "why"),
    [
        (["a", "b"], {}, "Insufficient Node information: allocatable CPU or zone not specified on one or more nodes"),
        (["a", "a"], {"a": 4.0}, "Nodes only ready in one zone"),
        (["a"], {"a": 4.0, "b": 4.0}, "Insufficient number of endpoints (1 endpoints, 2 zones)"),
        (["a", "b"], {"a": 8.0, "b": 1.0}, "Unable to allocate minimum required endpoints to each zone without"),
        (["a", ""], {"a": 4.0, "b": 4.0}, "One or more endpoints do not have a zone specified"),
        (["a", "b"], {"a": 4.0, "b": 4.0}, ""),
        (["a", "a"], {"a": 4.0, "b": 4.0}, ""),
    ],
)
def test_why_endpoints_are_not_shared_out(zones: list[str], capacity: dict[str, float], why: str) -> None:
    found = why_not_shared(zones, capacity)
    assert found.startswith(why)
    assert bool(found) == bool(why)
