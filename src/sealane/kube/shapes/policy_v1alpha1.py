"""Types of policy/v1alpha1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import gateway_v1, meta_v1


class AdminNetworkPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[AdminNetworkPolicySpec]
    status: AdminNetworkPolicyStatus


class AdminNetworkPolicySpec(TypedDict, total=False):
    egress: list[AdminNetworkPolicySpecEgress]
    ingress: list[AdminNetworkPolicySpecIngress]
    priority: Required[int]
    subject: Required[AdminNetworkPolicySpecSubject]


class AdminNetworkPolicySpecEgress(TypedDict, total=False):
    action: Required[str]
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
    namespaces: AdminNetworkPolicySpecEgressToNamespaces
    pods: AdminNetworkPolicySpecEgressToPods


class AdminNetworkPolicySpecEgressToNamespaces(TypedDict, total=False):
    namespaceSelector: AdminNetworkPolicySpecEgressToNamespacesNamespaceSelector
    notSameLabels: list[str]
    sameLabels: list[str]


class AdminNetworkPolicySpecEgressToNamespacesNamespaceSelector(TypedDict, total=False):
    matchExpressions: list[AdminNetworkPolicySpecEgressToNamespacesNamespaceSelectorMatchExpressions]
    matchLabels: dict[str, str]


class AdminNetworkPolicySpecEgressToNamespacesNamespaceSelectorMatchExpressions(TypedDict, total=False):
    key: Required[str]
    operator: Required[str]
    values: list[str]


class AdminNetworkPolicySpecEgressToPods(TypedDict, total=False):
    namespaces: Required[AdminNetworkPolicySpecEgressToNamespaces]
    podSelector: Required[AdminNetworkPolicySpecEgressToNamespacesNamespaceSelector]


AdminNetworkPolicySpecIngress = TypedDict(
    "AdminNetworkPolicySpecIngress",
    {
        "action": "Required[str]",
        "from": "Required[list[AdminNetworkPolicySpecEgressTo]]",
        "name": "str",
        "ports": "list[AdminNetworkPolicySpecEgressPorts]",
    },
    total=False,
)


class AdminNetworkPolicySpecSubject(TypedDict, total=False):
    namespaces: AdminNetworkPolicySpecEgressToNamespacesNamespaceSelector
    pods: AdminNetworkPolicySpecSubjectPods


class AdminNetworkPolicySpecSubjectPods(TypedDict, total=False):
    namespaceSelector: Required[AdminNetworkPolicySpecEgressToNamespacesNamespaceSelector]
    podSelector: Required[AdminNetworkPolicySpecEgressToNamespacesNamespaceSelector]


class AdminNetworkPolicyStatus(TypedDict, total=False):
    conditions: Required[list[gateway_v1.BackendTLSPolicyStatusAncestorsConditions]]


class BaselineAdminNetworkPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[BaselineAdminNetworkPolicySpec]
    status: AdminNetworkPolicyStatus


class BaselineAdminNetworkPolicySpec(TypedDict, total=False):
    egress: list[BaselineAdminNetworkPolicySpecEgress]
    ingress: list[BaselineAdminNetworkPolicySpecIngress]
    subject: Required[AdminNetworkPolicySpecSubject]


class BaselineAdminNetworkPolicySpecEgress(TypedDict, total=False):
    action: Required[str]
    name: str
    ports: list[AdminNetworkPolicySpecEgressPorts]
    to: Required[list[AdminNetworkPolicySpecEgressTo]]


BaselineAdminNetworkPolicySpecIngress = TypedDict(
    "BaselineAdminNetworkPolicySpecIngress",
    {
        "action": "Required[str]",
        "from": "Required[list[AdminNetworkPolicySpecEgressTo]]",
        "name": "str",
        "ports": "list[AdminNetworkPolicySpecEgressPorts]",
    },
    total=False,
)
