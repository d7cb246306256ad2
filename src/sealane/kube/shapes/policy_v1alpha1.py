"""Types of policy/v1alpha1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from sealane.kube.shapes import gateway_v1, meta_v1, policy_v1alpha2


class AdminNetworkPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[AdminNetworkPolicySpec]
    status: policy_v1alpha2.ClusterNetworkPolicyStatus


class AdminNetworkPolicySpec(TypedDict, total=False):
    egress: list[AdminNetworkPolicySpecEgress]
    ingress: list[AdminNetworkPolicySpecIngress]
    priority: Required[int]
    subject: Required[AdminNetworkPolicySpecIngressFrom]


class AdminNetworkPolicySpecEgress(TypedDict, total=False):
    action: Required[Literal["Allow", "Deny", "Pass"]]
    name: str
    ports: list[AdminNetworkPolicySpecEgressPorts]
    to: Required[list[AdminNetworkPolicySpecEgressTo]]


class AdminNetworkPolicySpecEgressPorts(TypedDict, total=False):
    namedPort: str
    portNumber: AdminNetworkPolicySpecEgressPortsPortNumber
    portRange: AdminNetworkPolicySpecEgressPortsPortRange


class AdminNetworkPolicySpecEgressPortsPortNumber(TypedDict, total=False):
    port: Required[int]
    protocol: Required[str]


class AdminNetworkPolicySpecEgressPortsPortRange(TypedDict, total=False):
    end: Required[int]
    protocol: str
    start: Required[int]


class AdminNetworkPolicySpecEgressTo(TypedDict, total=False):
    domainNames: list[str]
    namespaces: gateway_v1.GatewaySpecAllowedListenersNamespacesSelector
    networks: list[str]
    nodes: gateway_v1.GatewaySpecAllowedListenersNamespacesSelector
    pods: AdminNetworkPolicySpecEgressToPods


class AdminNetworkPolicySpecEgressToPods(TypedDict, total=False):
    namespaceSelector: Required[gateway_v1.GatewaySpecAllowedListenersNamespacesSelector]
    podSelector: Required[gateway_v1.GatewaySpecAllowedListenersNamespacesSelector]


AdminNetworkPolicySpecIngress = TypedDict(
    "AdminNetworkPolicySpecIngress",
    {
        "action": 'Required[Literal["Allow", "Deny", "Pass"]]',
        "from": "Required[list[AdminNetworkPolicySpecIngressFrom]]",
        "name": "str",
        "ports": "list[AdminNetworkPolicySpecEgressPorts]",
    },
    total=False,
)


class AdminNetworkPolicySpecIngressFrom(TypedDict, total=False):
    namespaces: gateway_v1.GatewaySpecAllowedListenersNamespacesSelector
    pods: AdminNetworkPolicySpecEgressToPods


class BaselineAdminNetworkPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[BaselineAdminNetworkPolicySpec]
    status: policy_v1alpha2.ClusterNetworkPolicyStatus


class BaselineAdminNetworkPolicySpec(TypedDict, total=False):
    egress: list[BaselineAdminNetworkPolicySpecEgress]
    ingress: list[BaselineAdminNetworkPolicySpecIngress]
    subject: Required[AdminNetworkPolicySpecIngressFrom]


class BaselineAdminNetworkPolicySpecEgress(TypedDict, total=False):
    action: Required[Literal["Allow", "Deny"]]
    name: str
    ports: list[AdminNetworkPolicySpecEgressPorts]
    to: Required[list[BaselineAdminNetworkPolicySpecEgressTo]]


class BaselineAdminNetworkPolicySpecEgressTo(TypedDict, total=False):
    namespaces: gateway_v1.GatewaySpecAllowedListenersNamespacesSelector
    networks: list[str]
    nodes: gateway_v1.GatewaySpecAllowedListenersNamespacesSelector
    pods: AdminNetworkPolicySpecEgressToPods


BaselineAdminNetworkPolicySpecIngress = TypedDict(
    "BaselineAdminNetworkPolicySpecIngress",
    {
        "action": 'Required[Literal["Allow", "Deny"]]',
        "from": "Required[list[AdminNetworkPolicySpecIngressFrom]]",
        "name": "str",
        "ports": "list[AdminNetworkPolicySpecEgressPorts]",
    },
    total=False,
)
