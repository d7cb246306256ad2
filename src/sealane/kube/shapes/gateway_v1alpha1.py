"""Types of gateway/v1alpha1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from sealane.kube.shapes import gateway_v1, meta_v1


class XBackend(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[XBackendSpec]
    status: XBackendStatus


class XBackendSpec(TypedDict, total=False):
    endpointSelector: XBackendSpecEndpointSelector
    externalHostname: XBackendSpecExternalHostname
    port: Required[XBackendSpecPort]
    protocol: Literal["TCP", "HTTP", "HTTP2", "HTTP11", "H2C", "MCP", "GRPC", "WSS"]
    sessionPersistence: gateway_v1.GRPCRouteSpecRulesSessionPersistence
    tls: XBackendSpecTls
    type: Required[Literal["ExternalHostname", "EndpointSelector"]]


class XBackendSpecEndpointSelector(TypedDict, total=False):
    matchLabels: Required[dict[str, str]]


class XBackendSpecExternalHostname(TypedDict, total=False):
    hostname: Required[str]


class XBackendSpecPort(TypedDict, total=False):
    number: int


class XBackendSpecTls(TypedDict, total=False):
    clientCertificateRef: gateway_v1.GatewaySpecListenersTlsCertificateRefs
    mode: Required[Literal["None", "ServerOnly", "ClientAndServer"]]
    validation: gateway_v1.BackendTLSPolicySpecValidation


class XBackendStatus(TypedDict, total=False):
    ancestors: list[XBackendStatusAncestors]


class XBackendStatusAncestors(TypedDict, total=False):
    ancestorRef: Required[gateway_v1.BackendTLSPolicyStatusAncestorsAncestorRef]
    conditions: list[gateway_v1.BackendTLSPolicyStatusAncestorsConditions]
    controllerName: Required[str]


class XBackendTrafficPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[XBackendTrafficPolicySpec]
    status: gateway_v1.BackendTLSPolicyStatus


class XBackendTrafficPolicySpec(TypedDict, total=False):
    retryConstraint: XBackendTrafficPolicySpecRetryConstraint
    sessionPersistence: gateway_v1.GRPCRouteSpecRulesSessionPersistence
    targetRefs: Required[list[gateway_v1.BackendTLSPolicySpecValidationCaCertificateRefs]]


class XBackendTrafficPolicySpecRetryConstraint(TypedDict, total=False):
    budget: XBackendTrafficPolicySpecRetryConstraintBudget
    minRetryRate: XBackendTrafficPolicySpecRetryConstraintMinRetryRate


class XBackendTrafficPolicySpecRetryConstraintBudget(TypedDict, total=False):
    interval: str
    percent: int


class XBackendTrafficPolicySpecRetryConstraintMinRetryRate(TypedDict, total=False):
    count: int
    interval: str


class XMesh(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[gateway_v1.GatewayClassSpec]
    status: XMeshStatus


class XMeshStatus(TypedDict, total=False):
    conditions: list[gateway_v1.BackendTLSPolicyStatusAncestorsConditions]
    supportedFeatures: list[gateway_v1.GatewayClassStatusSupportedFeatures]


class XTelemetryPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[XTelemetryPolicySpec]
    status: gateway_v1.BackendTLSPolicyStatus


class XTelemetryPolicySpec(TypedDict, total=False):
    targetRefs: Required[list[gateway_v1.BackendTLSPolicySpecValidationCaCertificateRefs]]
    tracing: XTelemetryPolicySpecTracing


class XTelemetryPolicySpecTracing(TypedDict, total=False):
    attributes: list[XTelemetryPolicySpecTracingAttributes]
    mode: Literal["Enabled", "Disabled", "ImplementationDefault"]
    parentBasedSampling: XTelemetryPolicySpecTracingParentBasedSampling
    provider: XTelemetryPolicySpecTracingProvider
    samplingRate: gateway_v1.GRPCRouteSpecRulesBackendRefsFiltersRequestMirrorFraction
    serviceName: str
    spanName: str


class XTelemetryPolicySpecTracingAttributes(TypedDict, total=False):
    attributeKey: str
    headerName: str
    literalValue: str
    name: Required[str]
    sourceType: Required[Literal["Header", "Literal", "Attribute"]]


class XTelemetryPolicySpecTracingParentBasedSampling(TypedDict, total=False):
    mode: Literal["Enabled", "Disabled", "ImplementationDefault"]
    samplingRate: gateway_v1.GRPCRouteSpecRulesBackendRefsFiltersRequestMirrorFraction


class XTelemetryPolicySpecTracingProvider(TypedDict, total=False):
    backendRef: Required[gateway_v1.GatewaySpecListenersFiltersRequestsExternalAuthBackendRef]
    headers: list[gateway_v1.GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifierAdd]
