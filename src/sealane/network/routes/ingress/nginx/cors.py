"""enable-cors: what browsers are told about requests from pages of other origins.

ingress-nginx answers every OPTIONS request of an allowed origin itself, with 204.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Respond, Rule
from sealane.network.routes.model.matches import ValueMatch

METHODS = "GET, PUT, POST, DELETE, PATCH, OPTIONS"
HEADERS = "DNT,Keep-Alive,User-Agent,X-Requested-With,If-Modified-Since,Cache-Control,Content-Type,Range,Authorization"
MAX_AGE = 1_728_000
_ORIGIN = re.compile(r"(https?://)?(\*\.)?[A-Za-z0-9.\-\[\]:]+|\*|null")


class Cors(NamedTuple):
    """origins: regular expression of those that are allowed, "" for all. headers: of answers to them."""

    origins: str
    headers: tuple[tuple[str, str], ...]


def read(annotations: Reader) -> Cors | None:
    if not annotations.flag("enable-cors"):
        return None
    asked = annotations.listed("cors-allow-origin", "*")
    good = [each for each in asked if _ORIGIN.fullmatch(each)]
    if len(good) < len(asked):
        annotations.refuse(
            "cors-allow-origin", "a list of *, http(s)://HOST and http(s)://*.HOST", ", ".join(good) or "*"
        )
    headers = [
        ("access-control-allow-methods", annotations.text("cors-allow-methods", METHODS)),
        ("access-control-allow-headers", annotations.text("cors-allow-headers", HEADERS)),
        ("access-control-max-age", str(annotations.number("cors-max-age", MAX_AGE))),
    ]
    if exposed := annotations.text("cors-expose-headers"):
        headers.append(("access-control-expose-headers", exposed))
    if annotations.flag("cors-allow-credentials", True):
        headers.append(("access-control-allow-credentials", "true"))
    if not good or "*" in good:
        return Cors("", (("access-control-allow-origin", "*"), *headers))
    return Cors(f"(?i)(?:{'|'.join(map(_pattern, good))})", tuple(headers))


def _pattern(origin: str) -> str:
    """A wildcard stands for one label."""
    return re.escape(origin).replace(r"\*", "[A-Za-z0-9-]+")


def expand(cors: Cors, rule: Rule) -> Iterator[Rule]:
    echo = () if not cors.origins else (("access-control-allow-origin", "origin"),)
    said = HeaderEdit(set=cors.headers, echo=echo)
    said = rule.response_headers.then(said) if rule.response_headers is not None else said
    match = rule.match
    if cors.origins:
        match = replace(match, headers=(*match.headers, ValueMatch("origin", cors.origins, regex=True)))
    if match.method in ("", "OPTIONS"):
        yield replace(rule, match=replace(match, method="OPTIONS"), action=Respond(204), response_headers=said)
    yield replace(rule, match=match, response_headers=said)
    if cors.origins:
        yield rule
