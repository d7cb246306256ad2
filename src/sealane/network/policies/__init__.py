"""Policies: who may talk to whom. Every policy kind compiles to the one model here, read by nft/ and explain/.

`compile` reads the objects, `resolve` finds whom the selectors mean at this moment, `evaluate` answers for two parties.
Sources: https://kubernetes.io/docs/concepts/services-networking/network-policies/ and the NetworkPolicy v1 reference.
"""

from sealane.network.policies.compile import network_policy
from sealane.network.policies.evaluate import Party, Step, Verdict, evaluate, party
from sealane.network.policies.model import (
    BlockPeer,
    Direction,
    Peer,
    PodPeer,
    Policy,
    PolicyPort,
    Rule,
)
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
    "BlockPeer",
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
    "Step",
    "Verdict",
    "derive_policies",
    "evaluate",
    "network_policy",
    "party",
    "policy_pod",
]
