"""Gateway API rules beyond the schema: the validations of its definitions, in their words.

Source: https://gateway-api.sigs.k8s.io/reference/spec/
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sealane.kube.problems import Part, Problem

_DURATION = re.compile(r"([0-9]{1,5})(h|ms|m|s)")
_SECONDS = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}
_FILTERS = {
    "RequestHeaderModifier": "requestHeaderModifier",
    "ResponseHeaderModifier": "responseHeaderModifier",
    "RequestMirror": "requestMirror",
    "RequestRedirect": "requestRedirect",
    "URLRewrite": "urlRewrite",
    "CORS": "cors",
    "ExternalAuth": "externalAuth",
    "ExtensionRef": "extensionRef",
}
_REPEATABLE = ("RequestMirror", "ExtensionRef", "ExternalAuth")
_BAD_IN_PATH = ("//", "/./", "/../", "%2f", "%2F", "#")


def check_gateway(obj: Part) -> Iterator[Problem]:
    listeners = obj["spec"].each("listeners")
    seen_names: set[str] = set()
    seen: set[tuple[Any, ...]] = set()
    for listener in listeners:
        name, protocol = listener.text("name"), listener.text("protocol")
        if name in seen_names:
            yield obj["spec"]["listeners"].invalid("Listener name must be unique within the Gateway", name)
        seen_names.add(name)
        key = (listener.number("port"), protocol, listener.text("hostname"))
        if key in seen:
            why = "Combination of port, protocol and hostname must be unique for each listener"
            yield obj["spec"]["listeners"].invalid(why, name)
        seen.add(key)
        if protocol in ("HTTP", "TCP", "UDP") and listener["tls"].present:
            yield listener["tls"].invalid("tls must not be specified for protocols ['HTTP', 'TCP', 'UDP']")
        if protocol in ("TCP", "UDP") and listener.text("hostname"):
            yield listener["hostname"].invalid("hostname must not be specified for protocols ['TCP', 'UDP']")
        tls = listener["tls"]
        if protocol == "HTTPS" and tls.text("mode", "Terminate") != "Terminate":
            yield tls["mode"].invalid("tls mode must be Terminate for protocol HTTPS")
        bare = tls["certificateRefs"].empty and tls["options"].empty
        if tls.present and bare and tls.text("mode", "Terminate") == "Terminate":
            yield tls.invalid("certificateRefs or options must be specified when mode is Terminate")
        space = listener["allowedRoutes"]["namespaces"]
        if space.text("from") == "Selector" and not space["selector"].present:
            yield space["selector"].required("must be specified when `from` is Selector")


def check_route(obj: Part) -> Iterator[Problem]:
    """HTTPRoute; GRPCRoute, TCPRoute, TLSRoute and UDPRoute for what they have in common with it."""
    spec = obj["spec"]
    sections: set[tuple[Any, ...]] = set()
    for parent in spec.each("parentRefs"):
        key = tuple(parent[each].value for each in ("group", "kind", "namespace", "name", "sectionName", "port"))
        if all(isinstance(each, str | int | None) for each in key):
            if key in sections:
                yield parent.invalid(
                    "sectionName or port must be unique when parentRefs includes 2 or more references to the same "
                    "parent"
                )
            sections.add(key)
    for rule in spec.each("rules"):
        filters = rule.each("filters")
        yield from _check_filters(filters)
        redirects = any(each.text("type") == "RequestRedirect" for each in filters)
        if redirects and rule.each("backendRefs"):
            yield rule["backendRefs"].invalid("RequestRedirect filter must not be used together with backendRefs")
        for backend in rule.each("backendRefs"):
            yield from _check_service_port(backend)
            yield from _check_filters(backend.each("filters"))
        for match in rule.each("matches"):
            yield from _check_path(match["path"])
        yield from _check_timeouts(rule["timeouts"])


def _check_service_port(backend: Part) -> Iterator[Problem]:
    if backend.text("kind", "Service") == "Service" and not backend.text("group") and not backend["port"].present:
        yield backend["port"].required("Must have port for Service reference")


def _check_filters(filters: list[Part]) -> Iterator[Problem]:
    seen: set[str] = set()
    for each in filters:
        kind = each.text("type")
        if kind in seen and kind not in _REPEATABLE:
            yield each.invalid(f"{kind} filter cannot be repeated", kind)
        seen.add(kind)
        for name, field in _FILTERS.items():
            if name == kind and not each[field].present:
                yield each[field].required(f"filter.{field} must be specified for {name} filter.type")
            elif name != kind and kind in _FILTERS and each[field].present:
                yield each[field].forbidden(f"filter.{field} must be nil if the filter.type is not {name}")
        if each["requestMirror"].present:
            yield from _check_service_port(each["requestMirror"]["backendRef"])
        for field in ("requestRedirect", "urlRewrite"):
            path = each[field]["path"]
            for name, value in (("ReplaceFullPath", "replaceFullPath"), ("ReplacePrefixMatch", "replacePrefixMatch")):
                if path.text("type") == name and not path[value].present:
                    yield path[value].required(f"{value} must be specified when type is set to '{name}'")
    if {"RequestRedirect", "URLRewrite"} <= seen:
        why = "May specify either httpRouteFilterRequestRedirect or httpRouteFilterRequestRewrite, but not both"
        yield filters[0].invalid(why, "RequestRedirect, URLRewrite")


def _check_path(path: Part) -> Iterator[Problem]:
    kind, value = path.text("type", "PathPrefix"), path.text("value", "/")
    if kind not in ("Exact", "PathPrefix"):
        return
    if not value.startswith("/"):
        yield path["value"].invalid("value must be an absolute path and start with '/' when type one of ['Exact', "
                                    "'PathPrefix']")  # fmt: skip
    for bad in _BAD_IN_PATH:
        if bad in value:
            why = f"must not contain '{bad}' when type one of ['Exact', 'PathPrefix']"
            yield path["value"].invalid(why)


def _check_timeouts(timeouts: Part) -> Iterator[Problem]:
    whole, backend = _seconds(timeouts.text("request")), _seconds(timeouts.text("backendRequest"))
    if whole and backend is not None and backend > whole:
        yield timeouts["backendRequest"].invalid("backendRequest timeout cannot be longer than request timeout")


def _seconds(duration: str) -> float | None:
    """A GEP-2257 duration in seconds; None for "" and what is none."""
    parts = _DURATION.findall(duration)
    return sum(int(number) * _SECONDS[unit] for number, unit in parts) if parts else None
