"""Gateway API: https://gateway-api.sigs.k8s.io/reference/spec/"""

from __future__ import annotations

import msgspec

from sealane.kube.views.base import Condition, ObjectMeta, Selector, View, no_labels

GROUP = "gateway.networking.k8s.io"


class ParametersReference(View):
    group: str = ""
    kind: str = ""
    name: str = ""
    namespace: str | None = None


class GatewayClassSpec(View):
    controller_name: str = ""
    parameters_ref: ParametersReference | None = None
    description: str | None = None


class GatewayClassStatus(View):
    conditions: tuple[Condition, ...] = ()


class GatewayClass(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: GatewayClassSpec = GatewayClassSpec()
    status: GatewayClassStatus = GatewayClassStatus()


class RouteNamespaces(View):
    """from_: Same (the default), All, Selector or None."""

    from_: str = "Same"
    selector: Selector | None = None


class RouteGroupKind(View):
    group: str = GROUP
    kind: str = ""


class AllowedRoutes(View):
    namespaces: RouteNamespaces = RouteNamespaces()
    kinds: tuple[RouteGroupKind, ...] = ()


class SecretReference(View):
    """A Secret, by default in the Gateway's own namespace."""

    group: str = ""
    kind: str = "Secret"
    name: str = ""
    namespace: str | None = None


class ListenerTLS(View):
    mode: str = "Terminate"
    certificate_refs: tuple[SecretReference, ...] = ()
    options: dict[str, str] = msgspec.field(default_factory=no_labels)


class Listener(View):
    """hostname None (or "") matches every host."""

    name: str = ""
    hostname: str | None = None
    port: int = 0
    protocol: str = ""
    tls: ListenerTLS | None = None
    allowed_routes: AllowedRoutes = AllowedRoutes()


class GatewayAddress(View):
    type: str = "IPAddress"
    value: str = ""


class GatewayInfrastructure(View):
    labels: dict[str, str] = msgspec.field(default_factory=no_labels)
    annotations: dict[str, str] = msgspec.field(default_factory=no_labels)


class GatewaySpec(View):
    gateway_class_name: str = ""
    listeners: tuple[Listener, ...] = ()
    addresses: tuple[GatewayAddress, ...] = ()
    infrastructure: GatewayInfrastructure | None = None


class ListenerStatus(View):
    name: str = ""
    supported_kinds: tuple[RouteGroupKind, ...] = ()
    attached_routes: int = 0
    conditions: tuple[Condition, ...] = ()


class GatewayStatus(View):
    addresses: tuple[GatewayAddress, ...] = ()
    conditions: tuple[Condition, ...] = ()
    listeners: tuple[ListenerStatus, ...] = ()


class Gateway(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: GatewaySpec = GatewaySpec()
    status: GatewayStatus = GatewayStatus()


class ParentReference(View):
    """namespace None: the route's own. section_name None: every listener."""

    group: str = GROUP
    kind: str = "Gateway"
    namespace: str | None = None
    name: str = ""
    section_name: str | None = None
    port: int | None = None


class BackendReference(View):
    """namespace None: the route's own."""

    group: str = ""
    kind: str = "Service"
    namespace: str | None = None
    name: str = ""
    port: int | None = None


class PathMatch(View):
    """type: Exact, PathPrefix or RegularExpression."""

    type: str = "PathPrefix"
    value: str = "/"


class ValueMatch(View):
    """A header or query parameter. type: Exact or RegularExpression."""

    type: str = "Exact"
    name: str = ""
    value: str = ""


class RouteMatch(View):
    path: PathMatch = PathMatch()
    headers: tuple[ValueMatch, ...] = ()
    query_params: tuple[ValueMatch, ...] = ()
    method: str | None = None


class Header(View):
    name: str = ""
    value: str = ""


class HeaderModifier(View):
    set: tuple[Header, ...] = ()
    add: tuple[Header, ...] = ()
    remove: tuple[str, ...] = ()


class PathModifier(View):
    """type: ReplaceFullPath or ReplacePrefixMatch."""

    type: str = ""
    replace_full_path: str | None = None
    replace_prefix_match: str | None = None


class RequestRedirect(View):
    """status_code default 302; None elsewhere keeps what the request had."""

    scheme: str | None = None
    hostname: str | None = None
    path: PathModifier | None = None
    port: int | None = None
    status_code: int = 302


class URLRewrite(View):
    hostname: str | None = None
    path: PathModifier | None = None


class Fraction(View):
    numerator: int = 0
    denominator: int = 100


class RequestMirror(View):
    backend_ref: BackendReference = BackendReference()
    percent: int | None = None
    fraction: Fraction | None = None


class CORS(View):
    allow_origins: tuple[str, ...] = ()
    allow_credentials: bool | None = None
    allow_methods: tuple[str, ...] = ()
    allow_headers: tuple[str, ...] = ()
    expose_headers: tuple[str, ...] = ()
    max_age: int = 5


class LocalReference(View):
    group: str = ""
    kind: str = ""
    name: str = ""


class RouteFilter(View):
    """type names the one that is set."""

    type: str = ""
    request_header_modifier: HeaderModifier | None = None
    response_header_modifier: HeaderModifier | None = None
    request_mirror: RequestMirror | None = None
    request_redirect: RequestRedirect | None = None
    url_rewrite: URLRewrite | None = None
    cors: CORS | None = None
    extension_ref: LocalReference | None = None


class RouteBackend(BackendReference):
    weight: int = 1
    filters: tuple[RouteFilter, ...] = ()


class RouteTimeouts(View):
    """GEP-2257 durations such as "500ms"."""

    request: str | None = None
    backend_request: str | None = None


class RouteRetry(View):
    codes: tuple[int, ...] = ()
    attempts: int | None = None
    backoff: str | None = None


class RouteRule(View):
    name: str | None = None
    matches: tuple[RouteMatch, ...] = ()
    filters: tuple[RouteFilter, ...] = ()
    backend_refs: tuple[RouteBackend, ...] = ()
    timeouts: RouteTimeouts | None = None
    retry: RouteRetry | None = None


class HTTPRouteSpec(View):
    parent_refs: tuple[ParentReference, ...] = ()
    hostnames: tuple[str, ...] = ()
    rules: tuple[RouteRule, ...] = ()


class RouteParentStatus(View):
    parent_ref: ParentReference = ParentReference()
    controller_name: str = ""
    conditions: tuple[Condition, ...] = ()


class RouteStatus(View):
    parents: tuple[RouteParentStatus, ...] = ()


class HTTPRoute(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: HTTPRouteSpec = HTTPRouteSpec()
    status: RouteStatus = RouteStatus()


class ReferenceGrantFrom(View):
    group: str = ""
    kind: str = ""
    namespace: str = ""


class ReferenceGrantTo(View):
    """name None: every object of that kind."""

    group: str = ""
    kind: str = ""
    name: str | None = None


class ReferenceGrantSpec(View):
    from_: tuple[ReferenceGrantFrom, ...] = ()
    to: tuple[ReferenceGrantTo, ...] = ()


class ReferenceGrant(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: ReferenceGrantSpec = ReferenceGrantSpec()
