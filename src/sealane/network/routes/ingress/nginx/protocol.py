"""backend-protocol: how the proxy speaks to the Service."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Forward, Rule

_SPOKEN = ("HTTP", "AUTO_HTTP", "GRPC")
_UNSPOKEN = ("HTTPS", "GRPCS", "FCGI")


def read(annotations: Reader) -> bool | None:
    """Whether it is gRPC."""
    asked = annotations.text("backend-protocol", "HTTP").upper()
    if asked in _UNSPOKEN:
        annotations.remarks.append(
            f"backend-protocol {asked} is not spoken here: HTTP is, and the backend may refuse it"
        )
    elif asked not in _SPOKEN:
        annotations.refuse("backend-protocol", f"one of {', '.join((*_SPOKEN, *_UNSPOKEN))}", "HTTP")
    return asked == "GRPC" or None


def expand(_grpc: bool, rule: Rule) -> Iterator[Rule]:
    if isinstance(rule.action, Forward):
        backends = tuple(replace(each, use="grpc") for each in rule.action.backends)
        rule = replace(rule, action=replace(rule.action, backends=backends, use="grpc"))
    yield rule
