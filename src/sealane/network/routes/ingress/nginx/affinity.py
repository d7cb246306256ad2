"""affinity by cookie: a client keeps its endpoint."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sealane.network.routes.filters.session import Session
from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Forward, Rule

COOKIE = "INGRESSCOOKIE"


def read(annotations: Reader) -> Session | None:
    """Without a path the cookie is for the whole host, as ingress-nginx has it where paths are regular expressions."""
    kind = annotations.text("affinity")
    if not kind:
        return None
    if kind != "cookie":
        annotations.refuse("affinity", "cookie", "")
        return None
    lasts = annotations.number("session-cookie-max-age", 0) or annotations.number("session-cookie-expires", 0)
    name, path = annotations.text("session-cookie-name", COOKIE), annotations.text("session-cookie-path", "/")
    return Session("Cookie", name, float(lasts), path)


def expand(session: Session, rule: Rule) -> Iterator[Rule]:
    if isinstance(rule.action, Forward):
        rule = replace(rule, action=replace(rule.action, session=session))
    yield rule
