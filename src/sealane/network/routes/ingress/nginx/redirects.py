"""permanent-redirect, temporal-redirect: every request of the Ingress is told another address."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace

from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Respond, Rule

VARIABLES = ("scheme", "host", "http_host", "request_uri")
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


def read(annotations: Reader) -> Respond | None:
    """A temporal redirect comes first. ingress-nginx takes no address but http(s)://HOST… or one that begins with $."""
    for name, usual in (("temporal-redirect", 302), ("permanent-redirect", 301)):
        code = annotations.number(f"{name}-code", usual, 300, 308)
        url = annotations.text(name)
        if not url:
            continue
        unknown = sorted({each for each in _VARIABLE.findall(url) if each not in VARIABLES})
        if unknown:
            annotations.refuse(name, f"an address with no variable of nginx but {', '.join(VARIABLES)}", "")
        elif not re.match(r"https?://[^/]|\$", url):
            annotations.refuse(name, "an absolute address", "")
        else:
            return Respond(code, location=_VARIABLE.sub(r"${\1}", url))
    return None


def expand(said: Respond, rule: Rule) -> Iterator[Rule]:
    yield replace(rule, action=said)
