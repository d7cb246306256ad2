"""Hostnames of listeners and routes: exact ("shop.example.com"), wildcard ("*.example.com") or any ("").

Source: Gateway API reference, `Hostname`, `Listener.hostname` and `HTTPRouteSpec.hostnames`; Ingress v1 reference,
`IngressRule.host`.
"""

from __future__ import annotations

from collections.abc import Iterator

ANY = ""


def is_wildcard(hostname: str) -> bool:
    """A wildcard, or any."""
    return not hostname or hostname.startswith("*")


def matches(pattern: str, hostname: str) -> bool:
    """Whether every request for `hostname` (itself possibly a wildcard) is one for `pattern`.

    A wildcard stands for one label or more: "*.example.com" matches "a.b.example.com", not "example.com".
    """
    if pattern in (ANY, hostname):
        return True
    return pattern.startswith("*.") and hostname.removeprefix("*").endswith(pattern[1:])


def intersection(listener: str, route: str) -> str | None:
    """The more specific of two hostnames when one contains the other; None when no request can match both."""
    if matches(listener, route):
        return route
    if matches(route, listener):
        return listener
    return None


def specificity(hostname: str) -> tuple[bool, int]:
    """Sorts hostnames: exact before wildcard, longer wildcards first, any last (use with reverse=True)."""
    return (bool(hostname) and not hostname.startswith("*"), len(hostname))


def candidates(host: str, *, single_label: bool = False) -> Iterator[str]:
    """The hostnames that can serve a request for `host`, most specific first.

    single_label: a wildcard stands for exactly one label, as in Ingress; otherwise for one or more.
    """
    host = strip_port(host)
    yield host
    rest = host
    while "." in rest:
        rest = rest.partition(".")[2]
        yield f"*.{rest}"
        if single_label:
            break
    yield ANY


def strip_port(authority: str) -> str:
    """The lower-case hostname of an `:authority` or Host header."""
    if authority.startswith("["):
        return authority.partition("]")[0].lower() + "]"
    return authority.partition(":")[0].lower().removesuffix(".")


def undotted(authority: str) -> str:
    """An `:authority` or Host header without the dot at the end of its name, the same name (RFC 3986, 3.2.2)."""
    name, colon, port = authority.partition(":")
    return authority if authority.startswith("[") else f"{name.removesuffix('.')}{colon}{port}"


def port_of(authority: str) -> int:
    """The port at the end of an `:authority` or Host header, 0 without one."""
    _, colon, port = authority.rpartition(":")
    return int(port) if colon and port.isdigit() else 0
