"""Policies: which pods may talk to which. Every policy kind compiles to the one model here, read by nft/ and explain/.

`networkpolicy`, `clusternetworkpolicy` and `adminnetworkpolicy` read the objects, `resolve` finds whom the selectors
mean at this moment, `evaluate` answers for two parties, tier by tier.
Sources: https://kubernetes.io/docs/concepts/services-networking/network-policies/, the NetworkPolicy v1 reference, and
https://network-policy-api.sigs.k8s.io/.
"""

from sealane.network.policies.evaluate import Decision, Party, Question, Ruling, evaluate, party
from sealane.network.policies.model import (
    TIERS,
    BlockPeer,
    Direction,
    DomainPeer,
    NodePeer,
    Peer,
    PodPeer,
    Policy,
    PolicyPort,
    Rule,
    SelectedPeer,
    Tier,
    Verdict,
)
from sealane.network.policies.networkpolicy import network_policy
from sealane.network.policies.resolve import (
    CLUSTER_POLICIES,
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
    "CLUSTER_POLICIES",
    "TIERS",
    "BlockPeer",
    "Decision",
    "Direction",
    "DomainPeer",
    "Given",
    "Isolation",
    "NodePeer",
    "Party",
    "Peer",
    "PodPeer",
    "Policies",
    "Policy",
    "PolicyPod",
    "PolicyPort",
    "Question",
    "ResolvedPolicy",
    "ResolvedRule",
    "Rule",
    "Ruling",
    "SelectedPeer",
    "Tier",
    "Verdict",
    "derive_policies",
    "evaluate",
    "network_policy",
    "party",
    "policy_pod",
]
