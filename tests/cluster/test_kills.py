"""Every process of a cluster killed once while clients ask: the short form of `kill_lab`."""

from __future__ import annotations

import os

import pytest
from kill_lab import EVERY, MANIFEST, ROLES, kill_in_turns

from sealane.testing.cluster import Cluster

pytestmark = [
    pytest.mark.sealane(nodes=2),
    pytest.mark.skipif(os.getuid() != 0, reason="clients stand in network namespaces, which only root can enter"),
]


def test_no_request_fails_when_any_process_is_killed(sealane: Cluster) -> None:
    sealane.apply(MANIFEST)
    ways = kill_in_turns(sealane, EVERY * (len(ROLES) - 1))
    assert [fault for way in ways for fault in way.faults()] == []
    assert all(way.answered > 100 for way in ways)
