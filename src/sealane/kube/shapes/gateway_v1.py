"""Types of gateway/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from sealane.kube.shapes import meta_v1


class BackendTLSPolicy(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[BackendTLSPolicySpec]
    status: BackendTLSPolicyStatus


class BackendTLSPolicySpec(TypedDict, total=False):
    options: dict[str, str]
    targetRefs: Required[list[BackendTLSPolicySpecTargetRefs]]
    validation: Required[BackendTLSPolicySpecValidation]


class BackendTLSPolicySpecTargetRefs(TypedDict, total=False):
    group: Required[str]
    kind: Required[str]
    name: Required[str]
    sectionName: str


class BackendTLSPolicySpecValidation(TypedDict, total=False):
    caCertificateRefs: list[BackendTLSPolicySpecValidationCaCertificateRefs]
    hostname: Required[str]
    subjectAltNames: list[BackendTLSPolicySpecValidationSubjectAltNames]
    wellKnownCACertificates: str


class BackendTLSPolicySpecValidationCaCertificateRefs(TypedDict, total=False):
    group: Required[str]
    kind: Required[str]
    name: Required[str]


class BackendTLSPolicySpecValidationSubjectAltNames(TypedDict, total=False):
    hostname: str
    type: Required[Literal["Hostname", "URI"]]
    uri: str


class BackendTLSPolicyStatus(TypedDict, total=False):
    ancestors: Required[list[BackendTLSPolicyStatusAncestors]]


class BackendTLSPolicyStatusAncestors(TypedDict, total=False):
    ancestorRef: Required[BackendTLSPolicyStatusAncestorsAncestorRef]
    conditions: Required[list[BackendTLSPolicyStatusAncestorsConditions]]
    controllerName: Required[str]


class BackendTLSPolicyStatusAncestorsAncestorRef(TypedDict, total=False):
    group: str
    kind: str
    name: Required[str]
    namespace: str
    port: int
    sectionName: str


class BackendTLSPolicyStatusAncestorsConditions(TypedDict, total=False):
    lastTransitionTime: Required[str]
    message: Required[str]
    observedGeneration: int
    reason: Required[str]
    status: Required[Literal["True", "False", "Unknown"]]
    type: Required[str]


class GRPCRoute(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[GRPCRouteSpec]
    status: GRPCRouteStatus


class GRPCRouteSpec(TypedDict, total=False):
    hostnames: list[str]
    parentRefs: list[BackendTLSPolicyStatusAncestorsAncestorRef]
    rules: list[GRPCRouteSpecRules]
    useDefaultGateways: Literal["All", "None"]


class GRPCRouteSpecRules(TypedDict, total=False):
    backendRefs: list[GRPCRouteSpecRulesBackendRefs]
    filters: list[GRPCRouteSpecRulesBackendRefsFilters]
    matches: list[GRPCRouteSpecRulesMatches]
    name: str
    sessionPersistence: GRPCRouteSpecRulesSessionPersistence


class GRPCRouteSpecRulesBackendRefs(TypedDict, total=False):
    filters: list[GRPCRouteSpecRulesBackendRefsFilters]
    group: str
    kind: str
    name: Required[str]
    namespace: str
    port: int
    weight: int


class GRPCRouteSpecRulesBackendRefsFilters(TypedDict, total=False):
    extensionRef: BackendTLSPolicySpecValidationCaCertificateRefs
    requestHeaderModifier: GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifier
    requestMirror: GRPCRouteSpecRulesBackendRefsFiltersRequestMirror
    responseHeaderModifier: GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifier
    type: Required[Literal["ResponseHeaderModifier", "RequestHeaderModifier", "RequestMirror", "ExtensionRef"]]


class GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifier(TypedDict, total=False):
    add: list[GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifierAdd]
    remove: list[str]
    set: list[GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifierAdd]


class GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifierAdd(TypedDict, total=False):
    name: Required[str]
    value: Required[str]


class GRPCRouteSpecRulesBackendRefsFiltersRequestMirror(TypedDict, total=False):
    backendRef: Required[GatewaySpecListenersFiltersRequestsExternalAuthBackendRef]
    fraction: GRPCRouteSpecRulesBackendRefsFiltersRequestMirrorFraction
    percent: int


class GRPCRouteSpecRulesBackendRefsFiltersRequestMirrorFraction(TypedDict, total=False):
    denominator: int
    numerator: Required[int]


class GRPCRouteSpecRulesMatches(TypedDict, total=False):
    headers: list[GRPCRouteSpecRulesMatchesHeaders]
    method: GRPCRouteSpecRulesMatchesMethod


class GRPCRouteSpecRulesMatchesHeaders(TypedDict, total=False):
    name: Required[str]
    type: Literal["Exact", "RegularExpression"]
    value: Required[str]


class GRPCRouteSpecRulesMatchesMethod(TypedDict, total=False):
    method: str
    service: str
    type: Literal["Exact", "RegularExpression"]


class GRPCRouteSpecRulesSessionPersistence(TypedDict, total=False):
    absoluteTimeout: str
    cookie: GRPCRouteSpecRulesSessionPersistenceCookie
    header: GRPCRouteSpecRulesSessionPersistenceHeader
    type: Literal["Cookie", "Header"]


class GRPCRouteSpecRulesSessionPersistenceCookie(TypedDict, total=False):
    lifetimeType: Literal["Permanent", "Session"]
    name: str
    path: str


class GRPCRouteSpecRulesSessionPersistenceHeader(TypedDict, total=False):
    name: Required[str]


class GRPCRouteStatus(TypedDict, total=False):
    parents: Required[list[GRPCRouteStatusParents]]


class GRPCRouteStatusParents(TypedDict, total=False):
    conditions: Required[list[BackendTLSPolicyStatusAncestorsConditions]]
    controllerName: Required[str]
    parentRef: Required[BackendTLSPolicyStatusAncestorsAncestorRef]


class Gateway(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[GatewaySpec]
    status: GatewayStatus


class GatewaySpec(TypedDict, total=False):
    addresses: list[GatewaySpecAddresses]
    allowedListeners: GatewaySpecAllowedListeners
    defaultScope: Literal["All", "None"]
    gatewayClassName: Required[str]
    infrastructure: GatewaySpecInfrastructure
    listeners: Required[list[GatewaySpecListeners]]
    tls: GatewaySpecTls


class GatewaySpecAddresses(TypedDict, total=False):
    routability: str
    type: str
    value: str


class GatewaySpecAllowedListeners(TypedDict, total=False):
    namespaces: GatewaySpecAllowedListenersNamespaces


GatewaySpecAllowedListenersNamespaces = TypedDict(
    "GatewaySpecAllowedListenersNamespaces",
    {
        "from": 'Literal["All", "Selector", "Same", "None"]',
        "selector": "GatewaySpecAllowedListenersNamespacesSelector",
    },
    total=False,
)


class GatewaySpecAllowedListenersNamespacesSelector(TypedDict, total=False):
    matchExpressions: list[GatewaySpecAllowedListenersNamespacesSelectorMatchExpressions]
    matchLabels: dict[str, str]


class GatewaySpecAllowedListenersNamespacesSelectorMatchExpressions(TypedDict, total=False):
    key: Required[str]
    operator: Required[str]
    values: list[str]


class GatewaySpecInfrastructure(TypedDict, total=False):
    annotations: dict[str, str]
    labels: dict[str, str]
    parametersRef: BackendTLSPolicySpecValidationCaCertificateRefs


class GatewaySpecListeners(TypedDict, total=False):
    allowedRoutes: GatewaySpecListenersAllowedRoutes
    filters: GatewaySpecListenersFilters
    hostname: str
    name: Required[str]
    port: Required[int]
    protocol: Required[str]
    tls: GatewaySpecListenersTls


class GatewaySpecListenersAllowedRoutes(TypedDict, total=False):
    kinds: list[GatewaySpecListenersAllowedRoutesKinds]
    namespaces: GatewaySpecListenersAllowedRoutesNamespaces


class GatewaySpecListenersAllowedRoutesKinds(TypedDict, total=False):
    group: str
    kind: Required[str]


GatewaySpecListenersAllowedRoutesNamespaces = TypedDict(
    "GatewaySpecListenersAllowedRoutesNamespaces",
    {
        "from": 'Literal["All", "Selector", "Same"]',
        "selector": "GatewaySpecAllowedListenersNamespacesSelector",
    },
    total=False,
)


class GatewaySpecListenersFilters(TypedDict, total=False):
    requests: list[GatewaySpecListenersFiltersRequests]


class GatewaySpecListenersFiltersRequests(TypedDict, total=False):
    extensionRef: BackendTLSPolicySpecValidationCaCertificateRefs
    externalAuth: GatewaySpecListenersFiltersRequestsExternalAuth
    type: Required[Literal["ExternalAuth", "ExtensionRef"]]


class GatewaySpecListenersFiltersRequestsExternalAuth(TypedDict, total=False):
    backendRef: Required[GatewaySpecListenersFiltersRequestsExternalAuthBackendRef]
    forwardBody: GatewaySpecListenersFiltersRequestsExternalAuthForwardBody
    grpc: GatewaySpecListenersFiltersRequestsExternalAuthGrpc
    http: GatewaySpecListenersFiltersRequestsExternalAuthHttp
    protocol: Required[Literal["HTTP", "GRPC"]]


class GatewaySpecListenersFiltersRequestsExternalAuthBackendRef(TypedDict, total=False):
    group: str
    kind: str
    name: Required[str]
    namespace: str
    port: int


class GatewaySpecListenersFiltersRequestsExternalAuthForwardBody(TypedDict, total=False):
    maxSize: int


class GatewaySpecListenersFiltersRequestsExternalAuthGrpc(TypedDict, total=False):
    allowedHeaders: list[str]


class GatewaySpecListenersFiltersRequestsExternalAuthHttp(TypedDict, total=False):
    allowedHeaders: list[str]
    allowedResponseHeaders: list[str]
    path: str


class GatewaySpecListenersTls(TypedDict, total=False):
    certificateRefs: list[GatewaySpecListenersTlsCertificateRefs]
    mode: Literal["Terminate", "Passthrough"]
    options: dict[str, str]


class GatewaySpecListenersTlsCertificateRefs(TypedDict, total=False):
    group: str
    kind: str
    name: Required[str]
    namespace: str


class GatewaySpecTls(TypedDict, total=False):
    backend: GatewaySpecTlsBackend
    frontend: GatewaySpecTlsFrontend


class GatewaySpecTlsBackend(TypedDict, total=False):
    clientCertificateRef: GatewaySpecListenersTlsCertificateRefs


class GatewaySpecTlsFrontend(TypedDict, total=False):
    default: Required[GatewaySpecTlsFrontendDefault]
    perPort: list[GatewaySpecTlsFrontendPerPort]


class GatewaySpecTlsFrontendDefault(TypedDict, total=False):
    validation: GatewaySpecTlsFrontendDefaultValidation


class GatewaySpecTlsFrontendDefaultValidation(TypedDict, total=False):
    caCertificateRefs: Required[list[GatewayClassSpecParametersRef]]
    mode: Literal["AllowValidOnly", "AllowInsecureFallback"]


class GatewaySpecTlsFrontendPerPort(TypedDict, total=False):
    port: Required[int]
    tls: Required[GatewaySpecTlsFrontendDefault]


class GatewayStatus(TypedDict, total=False):
    addresses: list[GatewayStatusAddresses]
    attachedListenerSets: int
    conditions: list[BackendTLSPolicyStatusAncestorsConditions]
    listeners: list[GatewayStatusListeners]


class GatewayStatusAddresses(TypedDict, total=False):
    routability: str
    type: str
    value: Required[str]


class GatewayStatusListeners(TypedDict, total=False):
    attachedRoutes: Required[int]
    conditions: Required[list[BackendTLSPolicyStatusAncestorsConditions]]
    name: Required[str]
    supportedKinds: list[GatewaySpecListenersAllowedRoutesKinds]


class GatewayClass(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[GatewayClassSpec]
    status: GatewayClassStatus


class GatewayClassSpec(TypedDict, total=False):
    controllerName: Required[str]
    description: str
    parametersRef: GatewayClassSpecParametersRef


class GatewayClassSpecParametersRef(TypedDict, total=False):
    group: Required[str]
    kind: Required[str]
    name: Required[str]
    namespace: str


class GatewayClassStatus(TypedDict, total=False):
    conditions: list[BackendTLSPolicyStatusAncestorsConditions]
    supportedFeatures: list[GatewayClassStatusSupportedFeatures]


class GatewayClassStatusSupportedFeatures(TypedDict, total=False):
    name: Required[str]


class HTTPRoute(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[HTTPRouteSpec]
    status: GRPCRouteStatus


class HTTPRouteSpec(TypedDict, total=False):
    hostnames: list[str]
    parentRefs: list[BackendTLSPolicyStatusAncestorsAncestorRef]
    rules: list[HTTPRouteSpecRules]
    useDefaultGateways: Literal["All", "None"]


class HTTPRouteSpecRules(TypedDict, total=False):
    backendRefs: list[HTTPRouteSpecRulesBackendRefs]
    filters: list[HTTPRouteSpecRulesBackendRefsFilters]
    matches: list[HTTPRouteSpecRulesMatches]
    name: str
    retry: HTTPRouteSpecRulesRetry
    sessionPersistence: GRPCRouteSpecRulesSessionPersistence
    timeouts: HTTPRouteSpecRulesTimeouts


class HTTPRouteSpecRulesBackendRefs(TypedDict, total=False):
    filters: list[HTTPRouteSpecRulesBackendRefsFilters]
    group: str
    kind: str
    name: Required[str]
    namespace: str
    port: int
    weight: int


class HTTPRouteSpecRulesBackendRefsFilters(TypedDict, total=False):
    cors: HTTPRouteSpecRulesBackendRefsFiltersCors
    extensionRef: BackendTLSPolicySpecValidationCaCertificateRefs
    externalAuth: GatewaySpecListenersFiltersRequestsExternalAuth
    requestHeaderModifier: GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifier
    requestMirror: GRPCRouteSpecRulesBackendRefsFiltersRequestMirror
    requestRedirect: HTTPRouteSpecRulesBackendRefsFiltersRequestRedirect
    responseHeaderModifier: GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifier
    type: Required[Literal["RequestHeaderModifier", "ResponseHeaderModifier", "RequestMirror", "RequestRedirect", "URLRewrite", "ExtensionRef", "CORS", "ExternalAuth"]]
    urlRewrite: HTTPRouteSpecRulesBackendRefsFiltersUrlRewrite


class HTTPRouteSpecRulesBackendRefsFiltersCors(TypedDict, total=False):
    allowCredentials: bool
    allowHeaders: list[str]
    allowMethods: list[Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "*"]]
    allowOrigins: list[str]
    exposeHeaders: list[str]
    maxAge: int


class HTTPRouteSpecRulesBackendRefsFiltersRequestRedirect(TypedDict, total=False):
    hostname: str
    path: HTTPRouteSpecRulesBackendRefsFiltersRequestRedirectPath
    port: int
    scheme: Literal["http", "https"]
    statusCode: int


class HTTPRouteSpecRulesBackendRefsFiltersRequestRedirectPath(TypedDict, total=False):
    replaceFullPath: str
    replacePrefixMatch: str
    type: Required[Literal["ReplaceFullPath", "ReplacePrefixMatch"]]


class HTTPRouteSpecRulesBackendRefsFiltersUrlRewrite(TypedDict, total=False):
    hostname: str
    path: HTTPRouteSpecRulesBackendRefsFiltersRequestRedirectPath


class HTTPRouteSpecRulesMatches(TypedDict, total=False):
    headers: list[HTTPRouteSpecRulesMatchesHeaders]
    method: Literal["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH"]
    path: HTTPRouteSpecRulesMatchesPath
    queryParams: list[HTTPRouteSpecRulesMatchesQueryParams]


class HTTPRouteSpecRulesMatchesHeaders(TypedDict, total=False):
    name: Required[str]
    type: Literal["Exact", "RegularExpression"]
    value: Required[str]


class HTTPRouteSpecRulesMatchesPath(TypedDict, total=False):
    type: Literal["Exact", "PathPrefix", "RegularExpression"]
    value: str


class HTTPRouteSpecRulesMatchesQueryParams(TypedDict, total=False):
    name: Required[str]
    type: Literal["Exact", "RegularExpression"]
    value: Required[str]


class HTTPRouteSpecRulesRetry(TypedDict, total=False):
    attempts: int
    backoff: str
    codes: list[int]


class HTTPRouteSpecRulesTimeouts(TypedDict, total=False):
    backendRequest: str
    request: str


class ListenerSet(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[ListenerSetSpec]
    status: ListenerSetStatus


class ListenerSetSpec(TypedDict, total=False):
    listeners: Required[list[GatewaySpecListeners]]
    parentRef: Required[ListenerSetSpecParentRef]


class ListenerSetSpecParentRef(TypedDict, total=False):
    group: str
    kind: str
    name: Required[str]
    namespace: str


class ListenerSetStatus(TypedDict, total=False):
    conditions: list[BackendTLSPolicyStatusAncestorsConditions]
    listeners: list[GatewayStatusListeners]


class ReferenceGrant(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[ReferenceGrantSpec]


ReferenceGrantSpec = TypedDict(
    "ReferenceGrantSpec",
    {
        "from": "Required[list[ReferenceGrantSpecFrom]]",
        "to": "Required[list[ReferenceGrantSpecTo]]",
    },
    total=False,
)


class ReferenceGrantSpecFrom(TypedDict, total=False):
    group: Required[str]
    kind: Required[str]
    namespace: Required[str]


class ReferenceGrantSpecTo(TypedDict, total=False):
    group: Required[str]
    kind: Required[str]
    name: str


class TCPRoute(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[TCPRouteSpec]
    status: GRPCRouteStatus


class TCPRouteSpec(TypedDict, total=False):
    parentRefs: list[BackendTLSPolicyStatusAncestorsAncestorRef]
    rules: Required[list[TCPRouteSpecRules]]
    useDefaultGateways: Literal["All", "None"]


class TCPRouteSpecRules(TypedDict, total=False):
    backendRefs: Required[list[TCPRouteSpecRulesBackendRefs]]
    name: str


class TCPRouteSpecRulesBackendRefs(TypedDict, total=False):
    group: str
    kind: str
    name: Required[str]
    namespace: str
    port: int
    weight: int


class TLSRoute(TypedDict, total=False):
    apiVersion: str
    kind: str
    metadata: meta_v1.ObjectMeta
    spec: Required[TLSRouteSpec]
    status: GRPCRouteStatus


class TLSRouteSpec(TypedDict, total=False):
    hostnames: Required[list[str]]
    parentRefs: list[BackendTLSPolicyStatusAncestorsAncestorRef]
    rules: Required[list[TCPRouteSpecRules]]
    useDefaultGateways: Literal["All", "None"]
