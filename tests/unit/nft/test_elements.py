"""Elements as netlink messages: layouts come from the tables' own text."""

from __future__ import annotations

import pytest

from sealane.dataplane.nft import policies, services
from sealane.dataplane.nft.chains import TABLE
from sealane.dataplane.nft.elements import ElementChange, Layout, encode, layout, layouts
from sealane.dataplane.nft.ledger import Phases
from sealane.dataplane.nft.steps import Step


def test_layouts_are_read_from_declarations() -> None:
    known = layouts(services.skeleton(), TABLE)
    assert known[f"{TABLE} vips4"] == Layout(("ipv4_addr", "inet_proto", "inet_service"), ("mark",))
    assert known[f"{TABLE} nodeport-endpoints6"].data == ("ipv6_addr", "inet_service")
    assert known[f"{TABLE} addresses4"] == Layout(("ipv4_addr",), ())
    assert f"{TABLE} allowed4" not in known  # ranges
    assert layout("type ipv4_addr : mark; flags dynamic, timeout; size 65536;") is None
    assert layouts(policies.skeleton(), policies.TABLE)[f"{policies.TABLE} ingress6"].data == ("verdict",)


def test_neighbours_share_a_message_and_long_lists_are_cut() -> None:
    known = layouts(services.skeleton(), TABLE)
    few = [ElementChange(f"{TABLE} addresses4", f"10.96.0.{index}", "") for index in range(3)]
    assert len(encode(few, known)) == 1
    assert len(encode([*few, few[0], ElementChange(few[0].container, few[0].element, None)], known)) == 2
    many = [ElementChange(f"{TABLE} addresses4", f"10.96.{index // 250}.{index % 250}", "") for index in range(5000)]
    messages = encode(many, known)
    assert len(messages) > 1
    assert all(len(message) < 65536 for message in messages)


@pytest.mark.parametrize(
    "phases",
    [
        Phases(declare="add chain inet t x\n", added={f"{TABLE} addresses4 10.96.0.1": ""}),
        Phases(added={f"{TABLE} allowed4 10.96.0.1 . tcp . 80 . 10.0.0.0/8": ""}),
        Phases(removed=tuple(f"{TABLE} addresses4 10.96.{i // 250}.{i % 250}" for i in range(2000))),
    ],
)
def test_the_rest_goes_as_text(phases: Phases) -> None:
    assert Step(phases).messages is None
    assert Step(phases).text
