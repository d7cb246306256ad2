"""Which UDP flows are stale after a change."""

from __future__ import annotations

import pytest

from sealane.dataplane.nft.answers import passing
from sealane.dataplane.nft.flows import Flow, Target, outdated, stale

VIP, NODE_PORT = Target(4, "10.96.0.7", 53), Target(4, "", 30053)
ONE, TWO = ("10.244.1.2", 53), ("10.244.1.3", 53)


@pytest.mark.parametrize(
    ("before", "after", "expected"),
    [
        ({VIP: {ONE}}, {VIP: {ONE}}, set()),
        ({VIP: {ONE}}, {VIP: {ONE, TWO}}, set()),
        ({VIP: {ONE, TWO}}, {VIP: {ONE}}, {VIP}),
        ({VIP: set()}, {VIP: {ONE}}, {VIP}),
        ({}, {VIP: {ONE}}, {VIP}),
        ({VIP: {ONE}, NODE_PORT: {ONE}}, {VIP: {ONE}}, {NODE_PORT}),
    ],
)
def test_targets_that_may_have_stale_flows(
    before: dict[Target, set[tuple[str, int]]],
    after: dict[Target, set[tuple[str, int]]],
    expected: set[Target],
) -> None:
    frozen = [{target: frozenset(found) for target, found in side.items()} for side in (before, after)]
    assert outdated(*frozen) == expected


@pytest.mark.parametrize(
    ("address", "port", "given", "complete", "expected"),
    [
        ("10.96.0.7", 53, ONE, False, False),
        ("10.96.0.7", 53, TWO, False, True),
        ("10.96.0.7", 53, ("10.96.0.7", 53), False, True),  # begun before the Service was there
        ("172.18.1.1", 30053, TWO, False, True),
        ("172.18.1.2", 30053, TWO, False, True),  # by way of another node's address
        ("172.18.1.1", 30053, ("172.18.1.1", 30053), False, True),
        ("192.0.2.1", 30053, ("192.0.2.1", 30053), False, False),  # somebody else's port of the same number
        ("10.96.0.9", 53, TWO, False, False),
        ("10.96.0.9", 53, TWO, True, True),  # translated for a Service that is no more
        ("10.244.1.2", 53, ONE, True, False),
    ],
)
def test_stale(address: str, port: int, given: tuple[str, int], complete: bool, expected: bool) -> None:
    targets = {VIP: frozenset({ONE}), NODE_PORT: frozenset({ONE})}
    assert stale(Flow(4, address, port, given, b""), targets, {"172.18.1.1"}, complete=complete) is expected


def test_a_client_that_asked_through_two_services_is_answered_in_one_name() -> None:
    client = ("10.244.2.2", 40000)
    flows = [Flow(4, address, 53, ONE, b"", client) for address in ("10.96.0.7", "10.96.0.8")]
    elements = [line for line in "".join(passing(flows)).splitlines() if " addresses4 " in line and "element" in line]
    assert len(elements) == 1
