"""Policies: which pods may talk to which. Every policy kind compiles to the one model here, read by nft/ and explain/.

`networkpolicy` reads the objects, `resolve` finds whom the selectors mean at this moment, `evaluate` answers for two
parties, tier by tier.
Sources: https://kubernetes.io/docs/concepts/services-networking/network-policies/ and the NetworkPolicy v1 reference.
"""

from sealane.network.policies.evaluate import Decision, Party, Ruling, evaluate, party
from sealane.network.policies.model import (
    TIERS,
    BlockPeer,
    Direction,
    Peer,
    PodPeer,
    Policy,
    PolicyPort,
    Rule,
    Tier,
    Verdict,
)
from sealane.network.policies.networkpolicy import network_policy
from sealane.network.policies.resolve import (
    Given,
    Isolation,
    Policies,
    PolicyPod,
    ResolvedPolicy,
    ResolvedRule,
    derive_policies,
    policy_pod,
)

__all__ = [
    "TIERS",
    "BlockPeer",
    "Decision",
    "Direction",
    "Given",
    "Isolation",
    "Party",
    "Peer",
    "PodPeer",
    "Policies",
    "Policy",
    "PolicyPod",
    "PolicyPort",
    "ResolvedPolicy",
    "ResolvedRule",
    "Rule",
    "Ruling",
    "Tier",
    "Verdict",
    "derive_policies",
    "evaluate",
    "network_policy",
    "party",
    "policy_pod",
]
