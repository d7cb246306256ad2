"""Types of networking/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from sealane.kube.shapes import core_v1, meta_v1


class HTTPIngressPath(TypedDict, total=False):
    backend: Required[IngressBackend]
    path: str
    pathType: Required[Literal["Exact", "Prefix", "ImplementationSpecific"]]


class HTTPIngressRuleValue(TypedDict, total=False):
    paths: Required[list[HTTPIngressPath]]


class IPAddress(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[IPAddressSpec]


class IPAddressSpec(TypedDict, total=False):
    parentRef: Required[ParentReference]


IPBlock = TypedDict(
    "IPBlock",
    {
        "cidr": "Required[str]",
        "except": "list[str]",
    },
    total=False,
)


class Ingress(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: IngressSpec
    status: IngressStatus


class IngressBackend(TypedDict, total=False):
    resource: core_v1.TypedLocalObjectReference
    service: IngressServiceBackend


class IngressClass(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: IngressClassSpec


class IngressClassParametersReference(TypedDict, total=False):
    apiGroup: str
    kind: Required[str]
    name: Required[str]
    namespace: str
    scope: Literal["Cluster", "Namespace"]


class IngressClassSpec(TypedDict, total=False):
    controller: str
    parameters: IngressClassParametersReference


class IngressLoadBalancerIngress(TypedDict, total=False):
    hostname: str
    ip: str
    ports: list[IngressPortStatus]


class IngressLoadBalancerStatus(TypedDict, total=False):
    ingress: list[IngressLoadBalancerIngress]


class IngressPortStatus(TypedDict, total=False):
    error: str
    port: Required[int]
    protocol: Required[str]


class IngressRule(TypedDict, total=False):
    host: str
    http: HTTPIngressRuleValue


class IngressServiceBackend(TypedDict, total=False):
    name: Required[str]
    port: ServiceBackendPort


class IngressSpec(TypedDict, total=False):
    defaultBackend: IngressBackend
    ingressClassName: str
    rules: list[IngressRule]
    tls: list[IngressTLS]


class IngressStatus(TypedDict, total=False):
    loadBalancer: IngressLoadBalancerStatus


class IngressTLS(TypedDict, total=False):
    hosts: list[str]
    secretName: str


class NetworkPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: NetworkPolicySpec


class NetworkPolicyEgressRule(TypedDict, total=False):
    ports: list[NetworkPolicyPort]
    to: list[NetworkPolicyPeer]


NetworkPolicyIngressRule = TypedDict(
    "NetworkPolicyIngressRule",
    {
        "from": "list[NetworkPolicyPeer]",
        "ports": "list[NetworkPolicyPort]",
    },
    total=False,
)


class NetworkPolicyPeer(TypedDict, total=False):
    ipBlock: IPBlock
    namespaceSelector: meta_v1.LabelSelector
    podSelector: meta_v1.LabelSelector


class NetworkPolicyPort(TypedDict, total=False):
    endPort: int
    port: int | str
    protocol: Literal["TCP", "UDP", "SCTP"]


class NetworkPolicySpec(TypedDict, total=False):
    egress: list[NetworkPolicyEgressRule]
    ingress: list[NetworkPolicyIngressRule]
    podSelector: meta_v1.LabelSelector
    policyTypes: list[Literal["Ingress", "Egress"]]


class ParentReference(TypedDict, total=False):
    group: str
    name: Required[str]
    namespace: str
    resource: Required[str]


class ServiceBackendPort(TypedDict, total=False):
    name: str
    number: int


class ServiceCIDR(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: ServiceCIDRSpec
    status: ServiceCIDRStatus


class ServiceCIDRSpec(TypedDict, total=False):
    cidrs: list[str]


class ServiceCIDRStatus(TypedDict, total=False):
    conditions: list[meta_v1.Condition]
