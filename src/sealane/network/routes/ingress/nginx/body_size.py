"""proxy-body-size: a request whose Content-Length is above it gets 413. 0: any size."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace

from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Respond, Rule
from sealane.network.routes.model.matches import Match, ValueMatch

DEFAULT = 1 << 20


def read(annotations: Reader) -> int:
    """Bytes."""
    return annotations.size("proxy-body-size", DEFAULT)


def checked(rules: Iterable[tuple[Rule, int]]) -> Iterator[Rule]:
    """The rules of a host with the size that each bears: once for all, where it is the same for all."""
    found = list(rules)
    sizes = {size for _, size in found}
    if len(sizes) == 1 and sizes != {0}:
        yield replace(_refusal(found[0][0], *sizes), match=Match(headers=(_above(*sizes),)))
    for rule, size in found:
        if size and len(sizes) > 1:
            yield _refusal(rule, size)
        yield rule


def _refusal(rule: Rule, size: int) -> Rule:
    match = replace(rule.match, headers=(*rule.match.headers, _above(size)))
    return replace(rule, match=match, action=Respond(413), request_headers=None, response_headers=None)


def _above(size: int) -> ValueMatch:
    return ValueMatch("content-length", "", above=size)
