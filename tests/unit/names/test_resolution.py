"""What a lookup costs and ends with: names of few dots, of many, with the final dot; aliases."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.objects import Object
from sealane.network.names import Record, Zone, ZoneData, pod_resolution, records_of_namespace

WEB = "web.shop.svc.cluster.local"
ZONE = [
    ZoneData((Record(WEB, "A", "10.96.0.20"), Record(WEB, "AAAA", "fd00:10:96::20"))),
    ZoneData((Record("alias.shop.svc.cluster.local", "CNAME", f"{WEB}."),)),
    ZoneData((Record("pay.shop.svc.cluster.local", "CNAME", "api.example.com."),)),
    ZoneData((Record("ring.shop.svc.cluster.local", "CNAME", "ring.shop.svc.cluster.local."),)),
    records_of_namespace(Object({"kind": "Namespace", "metadata": {"name": "shop"}})),
]
BOTH = ("10.96.0.20", "fd00:10:96::20")


def pod(namespace: str, **spec: Any) -> Object:
    return Object({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "p", "namespace": namespace}, "spec": spec})


NDOTS_1 = {"dnsConfig": {"options": [{"name": "ndots", "value": "1"}]}}


@pytest.mark.parametrize(
    ("namespace", "spec", "name", "queries", "answered", "data", "elsewhere"),
    [
        ("shop", {}, "web", 2, WEB, BOTH, ""),
        ("shop", {}, "WEB", 2, WEB, BOTH, ""),
        ("other", {}, "web.shop", 4, WEB, BOTH, ""),
        ("other", {}, "web.shop.svc", 6, WEB, BOTH, ""),
        # Four dots are fewer than five: the search path comes first, and the name itself last.
        ("shop", {}, WEB, 8, WEB, BOTH, ""),
        ("shop", {}, f"{WEB}.", 2, WEB, BOTH, ""),
        ("shop", NDOTS_1, WEB, 2, WEB, BOTH, ""),
        ("shop", {}, "a.b.example.com", 8, "a.b.example.com", (), "a.b.example.com"),
        ("shop", {}, "a.b.c.d.example.com", 2, "a.b.c.d.example.com", (), "a.b.c.d.example.com"),
        ("shop", {}, "example.com.", 2, "example.com", (), "example.com"),
        ("shop", {}, "nothing", 8, "nothing", (), "nothing"),
        ("shop", {}, "nothing.shop.svc.cluster.local.", 2, "nothing.shop.svc.cluster.local", (), ""),
        ("shop", {}, "alias", 2, "alias.shop.svc.cluster.local", BOTH, ""),
        ("shop", {}, "pay", 2, "pay.shop.svc.cluster.local", (), "api.example.com"),
        (
            "shop",
            {"dnsPolicy": "None", "dnsConfig": {"searches": ["svc.cluster.local"]}},
            "web.shop.",
            2,
            "web.shop",
            (),
            "web.shop",
        ),
    ],
)
def test_what_a_lookup_costs(
    namespace: str,
    spec: dict[str, Any],
    name: str,
    queries: int,
    answered: str,
    data: tuple[str, ...],
    elsewhere: str,
) -> None:
    found = pod_resolution(pod(namespace, **spec), name, Zone.of(ZONE))
    assert found.queries == queries
    assert (found.answer.name, found.answer.data, found.answer.elsewhere) == (answered, data, elsewhere)


def test_each_query_says_what_it_was_answered() -> None:
    found = pod_resolution(pod("other"), "web.shop", Zone.of(ZONE), ("A", "MX"))
    assert [(asked.name, asked.outcomes) for asked in found.asked] == [
        ("web.shop.other.svc.cluster.local", ("no such name", "no such name")),
        ("web.shop.svc.cluster.local", ("answer", "no data")),
    ]


def test_an_alias_comes_before_what_it_leads_to_and_a_ring_ends() -> None:
    zone = Zone.of(ZONE)
    alias = pod_resolution(pod("shop"), "alias", zone, ("A",)).answer
    assert [record.type for record in alias.records] == ["CNAME", "A"]
    assert pod_resolution(pod("shop"), "ring", zone, ("A",)).answer.data == ()
