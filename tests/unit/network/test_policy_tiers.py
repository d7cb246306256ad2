"""Tiers: who is asked first, and what Pass, Accept, Deny and no word of a tier mean."""

from __future__ import annotations

import pytest

from sealane.kube.objects import Key
from sealane.kube.selectors import LabelSelector
from sealane.network.policies import (
    Isolation,
    Party,
    Policies,
    Policy,
    ResolvedPolicy,
    ResolvedRule,
    Rule,
    Tier,
    Verdict,
    evaluate,
)
from sealane.network.provenance import Provenance
from sealane.reactive.collections import Graph, Source

WEB = Key("", "Pod", "shop", "web")
CLIENT = Party("172.18.0.1")
KINDS: dict[Tier, str] = {"Admin": "ClusterNetworkPolicy", "NetworkPolicy": "NetworkPolicy", "Baseline": "Baseline"}


def policy(tier: Tier, *verdicts: Verdict, name: str = "p", priority: int = 0) -> Policy:
    """Its rules say `verdicts` in turn of all that comes in."""
    key = Key("", KINDS[tier], "shop", name)
    rules = tuple(Rule((), (), Provenance(key, (number,)), verdict) for number, verdict in enumerate(verdicts))
    return Policy(key, LabelSelector(), rules, None, tier, priority, "Deny" if tier == "NetworkPolicy" else "Pass")


def ruled(*policies: Policy) -> Policies:
    graph = Graph()
    isolation: Source[Key, Isolation] = Source(graph, "isolation")
    resolved: Source[Key, ResolvedPolicy] = Source(graph, "resolved")
    for each in policies:
        rules = tuple(ResolvedRule(rule, (), ()) for rule in each.ingress or ())
        resolved.set(each.key, ResolvedPolicy(each, rules, ()))
    keys = tuple(each.key for each in sorted(policies, key=lambda each: each.order))
    isolation.set(WEB, Isolation(WEB, "node-1", ("10.244.1.2",), keys, ()))
    return Policies(Source(graph, "pods"), isolation, Source(graph, "members"), resolved)


@pytest.mark.parametrize(
    ("policies", "allowed", "by"),
    [
        ([policy("NetworkPolicy", "Accept")], True, "NetworkPolicy shop/p [0]"),
        ([policy("NetworkPolicy")], False, "NetworkPolicy shop/p spec"),
        ([policy("Admin", "Deny"), policy("NetworkPolicy", "Accept")], False, "ClusterNetworkPolicy shop/p [0]"),
        ([policy("Admin", "Accept"), policy("NetworkPolicy")], True, "ClusterNetworkPolicy shop/p [0]"),
        ([policy("Admin", "Pass", "Deny"), policy("NetworkPolicy", "Accept")], True, "NetworkPolicy shop/p [0]"),
        ([policy("Admin", "Pass"), policy("NetworkPolicy")], False, "NetworkPolicy shop/p spec"),
        ([policy("Admin", "Pass"), policy("Baseline", "Deny")], False, "Baseline shop/p [0]"),
        ([policy("Admin"), policy("Baseline", "Deny")], False, "Baseline shop/p [0]"),
        ([policy("NetworkPolicy", "Accept"), policy("Baseline", "Deny")], True, "NetworkPolicy shop/p [0]"),
        ([policy("Admin", "Pass")], True, None),
        ([policy("Admin", "Accept", name="z", priority=1), policy("Admin", "Deny", name="a", priority=2)], True, "z"),
        ([policy("Admin", "Pass", name="a"), policy("Admin", "Deny", name="b")], True, None),
        ([policy("NetworkPolicy", name="a"), policy("NetworkPolicy", "Accept", name="b")], True, "shop/b"),
    ],
)
def test_tiers(policies: list[Policy], allowed: bool, by: str | None) -> None:
    decision = evaluate(ruled(*policies), CLIENT, Party("10.244.1.2", "node-1", WEB), "TCP", 80)
    assert decision.allowed is allowed
    if by is None:
        assert decision.reason.source is None
    else:
        assert by in str(decision.reason.source)
