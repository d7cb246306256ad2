"""What the zone answers, and that changing it step by step ends where building it at once does."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.kube.objects import Object
from sealane.network.names import Record, Zone, ZoneData, records_of_namespace
from sealane.network.names.records import address_record

WEB = "web.shop.svc.cluster.local"
SRV = f"_http._tcp.{WEB}"


@pytest.fixture
def zone() -> Zone:
    return Zone.of(
        [
            ZoneData((Record(WEB, "A", "10.96.0.20"), Record(SRV, "SRV", f"0 100 80 {WEB}."))),
            ZoneData((Record("pay.shop.svc.cluster.local", "CNAME", "api.example.com."),)),
            ZoneData((Record("20.0.96.10.in-addr.arpa", "PTR", f"{WEB}."),)),
            records_of_namespace(Object({"kind": "Namespace", "metadata": {"name": "shop"}})),
        ]
    )


@pytest.mark.parametrize(
    ("name", "type_", "outcome"),
    [
        (WEB, "A", "answer"),
        (WEB, "AAAA", "no data"),
        (WEB, "ANY", "answer"),
        (f"nope.{WEB}", "A", "no such name"),
        ("nope.shop.svc.cluster.local", "A", "no such name"),
        ("shop.svc.cluster.local", "A", "no data"),
        ("svc.cluster.local", "SRV", "no data"),
        ("cluster.local", "A", "no data"),
        (f"_tcp.{WEB}", "SRV", "no data"),
        ("web.nope.svc.cluster.local", "A", "no such name"),
        ("20.0.96.10.in-addr.arpa", "PTR", "answer"),
        ("21.0.96.10.in-addr.arpa", "PTR", "not ours"),
        ("example.com", "A", "not ours"),
        ("notcluster.local", "A", "not ours"),
        ("10-244-1-7.shop.pod.cluster.local", "A", "answer"),
        ("10-244-1-7.shop.pod.cluster.local", "AAAA", "no data"),
        ("fd00-10-244-1--7.shop.pod.cluster.local", "AAAA", "answer"),
        ("10-244-1-700.shop.pod.cluster.local", "A", "no such name"),
        ("web.shop.pod.cluster.local", "A", "no such name"),
        ("10-244-1-7.nope.pod.cluster.local", "A", "no such name"),
        ("x.10-244-1-7.shop.pod.cluster.local", "A", "no such name"),
        ("shop.pod.cluster.local", "A", "no data"),
    ],
)
def test_outcome(zone: Zone, name: str, type_: str, outcome: str) -> None:
    assert zone.lookup(name, type_).outcome == outcome


def test_srv_brings_the_address_of_its_target(zone: Zone) -> None:
    answer = zone.lookup(SRV, "SRV")
    assert [str(record) for record in answer.additional] == [f"{WEB}. 5 IN A 10.96.0.20"]


def test_a_cname_answers_for_every_type(zone: Zone) -> None:
    assert zone.lookup("pay.shop.svc.cluster.local", "AAAA").records[0].data == "api.example.com."


def test_what_has_gone_is_no_name(zone: Zone) -> None:
    data = ZoneData((Record("a.b.svc.cluster.local", "A", "10.96.0.9"),))
    zone.change(None, data)
    assert zone.lookup("b.svc.cluster.local", "A").outcome == "no data"
    touched = zone.change(data, None)
    assert touched == {"a.b.svc.cluster.local", "b.svc.cluster.local"}
    assert zone.lookup("b.svc.cluster.local", "A").outcome == "no such name"


NAMES = [
    f"{label}cluster.local"
    for label in ("", "svc.", "a.svc.", "x.a.svc.", "y.a.svc.", "h.x.a.svc.", "b.svc.", "x.b.svc.")
]
DATA = st.builds(
    lambda pairs, empty: ZoneData(tuple(sorted({address_record(*pair) for pair in pairs})), tuple(sorted(empty))),
    st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(["10.96.0.1", "10.96.0.2", "fd00::1"])), max_size=4),
    st.sets(st.sampled_from(NAMES), max_size=2),
)


@given(st.lists(st.tuples(st.integers(0, 3), st.none() | DATA), max_size=20))
def test_changes_end_where_building_at_once_does(steps: list[tuple[int, ZoneData | None]]) -> None:
    zone = Zone()
    held: dict[int, ZoneData] = {}
    questions = [(name, type_) for name in NAMES for type_ in ("A", "AAAA")]
    for owner, data in steps:
        before = {question: zone.lookup(*question) for question in questions}
        touched = zone.change(held.get(owner), data)
        if data is None:
            held.pop(owner, None)
        else:
            held[owner] = data
        changed = {question[0] for question in questions if zone.lookup(*question) != before[question]}
        assert changed <= touched
    fresh = Zone.of(held.values())
    for question in questions:
        assert zone.lookup(*question) == fresh.lookup(*question)
