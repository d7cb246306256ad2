"""The filters of HTTPRoutes and GRPCRoutes, of rules and of backends, as values of `routes/filters`.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `HTTPRouteFilter`, `GRPCRouteFilter`.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance
from sealane.network.routes.backends import Reference, resolve
from sealane.network.routes.filters.cors import Cors
from sealane.network.routes.filters.external_auth import ExternalAuth
from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.filters.mirror import Mirror
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.filters.rewrite import PathEdit, Rewrite
from sealane.network.routes.model.http import Use
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes.gateway_v1 import GatewaySpecListenersFiltersRequestsExternalAuth as ExternalAuthFilter
    from sealane.kube.shapes.gateway_v1 import (
        GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifier as HeaderModifier,
    )
    from sealane.kube.shapes.gateway_v1 import GRPCRouteSpecRulesBackendRefsFiltersRequestHeaderModifierAdd as Header
    from sealane.kube.shapes.gateway_v1 import GRPCRouteSpecRulesBackendRefsFiltersRequestMirror as RequestMirror
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesBackendRefsFilters as RouteFilter
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesBackendRefsFiltersCors as CorsFilter
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesBackendRefsFiltersRequestRedirect as RequestRedirect
    from sealane.kube.shapes.gateway_v1 import HTTPRouteSpecRulesBackendRefsFiltersRequestRedirectPath as PathModifier

Path = tuple[str | int, ...]


class Filters:
    """The filters of one rule or backend, read in order. use: how what is mirrored is spoken."""

    def __init__(
        self,
        route: Key,
        path: Path,
        raw: Iterable[RouteFilter],
        sources: Sources,
        fetch: Fetch,
        use: Use = "http",
    ) -> None:
        self.request_headers: HeaderEdit | None = None
        self.response_headers: HeaderEdit | None = None
        self.redirect: Redirect | None = None
        self.rewrite: Rewrite | None = None
        self.cors: Cors | None = None
        self.mirrors: list[Mirror] = []
        self.auth: ExternalAuth | None = None
        self.problems: list[Reference] = []
        self.unknown = False
        for index, item in enumerate(raw):
            match item:
                case {"type": "RequestHeaderModifier", "requestHeaderModifier": spec}:
                    self.request_headers = _header_edit(spec)
                case {"type": "ResponseHeaderModifier", "responseHeaderModifier": spec}:
                    self.response_headers = _header_edit(spec)
                case {"type": "RequestRedirect", "requestRedirect": spec}:
                    self.redirect = _redirect(spec)
                case {"type": "URLRewrite", "urlRewrite": spec}:
                    self.rewrite = Rewrite(spec.get("hostname") or "", _path_edit(spec.get("path")))
                case {"type": "CORS", "cors": spec}:
                    self.cors = _cors(spec)
                case {"type": "RequestMirror", "requestMirror": spec}:
                    self._mirror(route, (*path, "filters", index), spec, sources, fetch, use)
                case {"type": "ExternalAuth", "externalAuth": spec}:
                    self._auth(route, (*path, "filters", index), spec, sources, fetch)
                case _:
                    self._refuse(route, f"filter type {item.get('type')}")

    def beyond(self) -> str:
        """What is asked of a backend that is done for a whole rule only, or ""."""
        kinds = {
            "RequestRedirect": self.redirect,
            "CORS": self.cors,
            "RequestMirror": self.mirrors,
            "ExternalAuth": self.auth,
            "URLRewrite of a path": self.rewrite and self.rewrite.path,
        }
        return ", ".join(kind for kind, value in kinds.items() if value)

    def _refuse(self, route: Key, what: str) -> None:
        self.unknown = True
        self.problems.append(Reference(route, 0, "InvalidKind", f"{what} is not supported"))

    def _auth(self, route: Key, path: Path, spec: ExternalAuthFilter, sources: Sources, fetch: Fetch) -> None:
        if spec["protocol"] != "HTTP":
            self._refuse(route, f"filter type ExternalAuth with protocol {spec['protocol']}")
            return
        if self.auth is not None:
            self._refuse(route, "a second filter of type ExternalAuth")
            return
        found = resolve(route, spec["backendRef"], sources, fetch)
        if found.problem:
            self.unknown = True
            self.problems.append(found)
            return
        http = spec.get("http") or {}
        self.auth = ExternalAuth(
            found.service,
            found.port,
            Provenance(route, path),
            (http.get("path") or "").rstrip("/"),
            tuple(name.lower() for name in http.get("allowedHeaders") or ()),
            tuple(name.lower() for name in http.get("allowedResponseHeaders") or ()),
            (spec.get("forwardBody") or {}).get("maxSize") or 0,
        )

    def _mirror(self, route: Key, path: Path, spec: RequestMirror, sources: Sources, fetch: Fetch, use: Use) -> None:
        found = resolve(route, spec["backendRef"], sources, fetch)
        if found.problem:
            self.problems.append(found)
            return
        fraction = 1.0
        if spec.get("percent") is not None:
            fraction = spec["percent"] / 100
        elif spec.get("fraction"):
            fraction = spec["fraction"]["numerator"] / (spec["fraction"].get("denominator") or 100)
        self.mirrors.append(Mirror(found.service, found.port, Provenance(route, path), fraction, use))


def _header_edit(raw: HeaderModifier) -> HeaderEdit:
    def pairs(headers: list[Header] | None) -> tuple[tuple[str, str], ...]:
        return tuple((item["name"].lower(), item["value"]) for item in headers or ())

    return HeaderEdit(
        pairs(raw.get("set")), pairs(raw.get("add")), tuple(name.lower() for name in raw.get("remove") or ())
    )


def _redirect(raw: RequestRedirect) -> Redirect:
    return Redirect(
        raw.get("scheme") or "",
        raw.get("hostname") or "",
        raw.get("port") or 0,
        _path_edit(raw.get("path")),
        raw.get("statusCode") or 302,
    )


def _path_edit(raw: PathModifier | None) -> PathEdit | None:
    if not raw:
        return None
    if raw.get("type") == "ReplaceFullPath":
        return PathEdit("full", raw.get("replaceFullPath") or "/")
    return PathEdit("prefix", raw.get("replacePrefixMatch") or "/")


def _cors(raw: CorsFilter) -> Cors:
    return Cors(
        tuple(raw.get("allowOrigins") or ()),
        tuple(raw.get("allowMethods") or ()),
        tuple(raw.get("allowHeaders") or ()),
        tuple(raw.get("exposeHeaders") or ()),
        bool(raw.get("allowCredentials")),
        raw.get("maxAge") or 5,
    )
