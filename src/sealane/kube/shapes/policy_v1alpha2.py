"""Types of policy/v1alpha2.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from sealane.kube.shapes import gateway_v1, meta_v1


class ClusterNetworkPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[ClusterNetworkPolicySpec]
    status: ClusterNetworkPolicyStatus


class ClusterNetworkPolicySpec(TypedDict, total=False):
    egress: list[ClusterNetworkPolicySpecEgress]
    ingress: list[ClusterNetworkPolicySpecIngress]
    priority: Required[int]
    subject: Required[ClusterNetworkPolicySpecIngressFrom]
    tier: Required[Literal["Admin", "Baseline"]]


class ClusterNetworkPolicySpecEgress(TypedDict, total=False):
    action: Required[Literal["Accept", "Deny", "Pass"]]
    name: str
    protocols: list[ClusterNetworkPolicySpecEgressProtocols]
    to: Required[list[ClusterNetworkPolicySpecEgressTo]]


class ClusterNetworkPolicySpecEgressProtocols(TypedDict, total=False):
    destinationNamedPort: str
    sctp: ClusterNetworkPolicySpecEgressProtocolsSctp
    tcp: ClusterNetworkPolicySpecEgressProtocolsSctp
    udp: ClusterNetworkPolicySpecEgressProtocolsSctp


class ClusterNetworkPolicySpecEgressProtocolsSctp(TypedDict, total=False):
    destinationPort: ClusterNetworkPolicySpecEgressProtocolsSctpDestinationPort


class ClusterNetworkPolicySpecEgressProtocolsSctpDestinationPort(TypedDict, total=False):
    number: int
    range: ClusterNetworkPolicySpecEgressProtocolsSctpDestinationPortRange


class ClusterNetworkPolicySpecEgressProtocolsSctpDestinationPortRange(TypedDict, total=False):
    end: Required[int]
    start: Required[int]


class ClusterNetworkPolicySpecEgressTo(TypedDict, total=False):
    domainNames: list[str]
    namespaces: gateway_v1.GatewaySpecAllowedListenersNamespacesSelector
    networks: list[str]
    nodes: gateway_v1.GatewaySpecAllowedListenersNamespacesSelector
    pods: ClusterNetworkPolicySpecEgressToPods


class ClusterNetworkPolicySpecEgressToPods(TypedDict, total=False):
    namespaceSelector: gateway_v1.GatewaySpecAllowedListenersNamespacesSelector
    podSelector: Required[gateway_v1.GatewaySpecAllowedListenersNamespacesSelector]


ClusterNetworkPolicySpecIngress = TypedDict(
    "ClusterNetworkPolicySpecIngress",
    {
        "action": 'Required[Literal["Accept", "Deny", "Pass"]]',
        "from": "Required[list[ClusterNetworkPolicySpecIngressFrom]]",
        "name": "str",
        "protocols": "list[ClusterNetworkPolicySpecEgressProtocols]",
    },
    total=False,
)


class ClusterNetworkPolicySpecIngressFrom(TypedDict, total=False):
    namespaces: gateway_v1.GatewaySpecAllowedListenersNamespacesSelector
    pods: ClusterNetworkPolicySpecEgressToPods


class ClusterNetworkPolicyStatus(TypedDict, total=False):
    conditions: Required[list[gateway_v1.BackendTLSPolicyStatusAncestorsConditions]]
