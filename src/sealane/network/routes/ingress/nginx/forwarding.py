"""upstream-vhost, x-forwarded-prefix: what the backend is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.filters.rewrite import Rewrite
from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Forward, Rule


class Forwarding(NamedTuple):
    """host: the Host header. prefix: X-Forwarded-Prefix."""

    host: str
    prefix: str


def read(annotations: Reader) -> Forwarding | None:
    found = {}
    for name in ("upstream-vhost", "x-forwarded-prefix"):
        found[name] = annotations.text(name)
        if "$" in found[name]:
            annotations.refuse(name, "a value without variables of nginx", "")
            found[name] = ""
    made = Forwarding(found["upstream-vhost"], found["x-forwarded-prefix"])
    return made if any(made) else None


def expand(said: Forwarding, rule: Rule) -> Iterator[Rule]:
    action = rule.action
    if isinstance(action, Forward):
        if said.host:
            rule = replace(
                rule, action=replace(action, rewrite=replace(action.rewrite or Rewrite(), hostname=said.host))
            )
        if said.prefix:
            own = HeaderEdit(set=(("x-forwarded-prefix", said.prefix),))
            rule = replace(rule, request_headers=rule.request_headers.then(own) if rule.request_headers else own)
    yield rule
