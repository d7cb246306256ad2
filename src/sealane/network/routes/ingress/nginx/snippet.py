"""configuration-snippet: the directives of nginx that people put there, run; every other is named with its line.

more_set_headers, more_clear_headers, add_header: headers of answers. proxy_set_header: a header for the backend.
return: the answer itself. deny all: 403. Sources: nginx's ngx_http_headers_module, ngx_http_rewrite_module,
ngx_http_access_module, and headers-more-nginx-module.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from typing import NamedTuple

from sealane.network.routes.filters.headers import HeaderEdit
from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.ingress.nginx.redirects import VARIABLES
from sealane.network.routes.model.http import Respond, Rule

NAME = "configuration-snippet"
_TOKEN = re.compile(r"""\s+|\#[^\n]*|"((?:[^"\\]|\\.)*)"|'((?:[^'\\]|\\.)*)'|([;{}])|([^\s;{}"'#]+)""", re.DOTALL)
_HEADER = re.compile(r"([A-Za-z0-9-]+)\s*:\s*(.*)", re.DOTALL)
_VARIABLE = re.compile(r"\$\{?(\w+)\}?")


class Snippet(NamedTuple):
    """What its directives do: to the request, to the answer, in place of it."""

    request: HeaderEdit
    response: HeaderEdit
    answer: Respond | None


class Directive(NamedTuple):
    """words: its name and its arguments. block: it has one, which is left out."""

    line: int
    words: tuple[str, ...]
    block: bool = False


def read(annotations: Reader) -> Snippet | None:
    text = annotations.text(NAME)
    if not text:
        return None
    made = Snippet(HeaderEdit(), HeaderEdit(), None)
    for directive in directives(text):
        found = _run(made, directive)
        if found is None:
            words = " ".join(directive.words) + (" { … }" if directive.block else "")
            annotations.remarks.append(f"{NAME}, line {directive.line}: {words!r} is not run")
        else:
            made = found
    return made


def directives(text: str) -> Iterator[Directive]:
    """The directives on the top level of a snippet."""
    words: list[str] = []
    line = begun = 1
    depth = place = 0
    while place < len(text):
        found = _TOKEN.match(text, place)
        token = found[0] if found else text[place]
        start, line, place = line, line + token.count("\n"), place + len(token)
        if found is None or found[3] is None:
            word = next((each for each in found.group(1, 2, 4) if each is not None), None) if found else token
            if word is not None and not depth:
                begun = start if not words else begun
                words.append(word)
        elif found[3] == ";":
            if words and not depth:
                yield Directive(begun, tuple(words))
                words = []
        else:
            depth = max(0, depth + (1 if found[3] == "{" else -1))
            if not depth and words:
                yield Directive(begun, tuple(words), True)
                words = []
    if words:
        yield Directive(begun, tuple(words), depth > 0)


def _run(made: Snippet, directive: Directive) -> Snippet | None:
    """`made` with one more directive; None for one that is not run here."""
    if directive.block or not directive.words:
        return None
    match directive.words:
        case ("more_set_headers", *pairs) if pairs and all(_HEADER.fullmatch(each) for each in pairs):
            headers = [found.groups() for each in pairs if (found := _HEADER.fullmatch(each))]
            if any("$" in value for _, value in headers):
                return None
            edit = HeaderEdit(set=tuple((name.lower(), value) for name, value in headers))
            return made._replace(response=made.response.then(edit))
        case ("more_clear_headers", *names) if names and not any(re.search(r"[*$]|^-", each) for each in names):
            edit = HeaderEdit(remove=tuple(each.rstrip(":").lower() for each in names))
            return made._replace(response=made.response.then(edit))
        case ("add_header", name, value, *rest) if rest in ([], ["always"]) and "$" not in value:
            return made._replace(response=made.response.then(HeaderEdit(add=((name.lower(), value),))))
        case ("proxy_set_header", name, value) if "$" not in value and name.lower() != "host":
            edit = HeaderEdit(set=((name.lower(), value),)) if value else HeaderEdit(remove=(name.lower(),))
            return made._replace(request=made.request.then(edit))
        case ("deny", "all"):
            return made._replace(answer=made.answer or Respond(403))
        case ("return", code, *rest) if re.fullmatch(r"[2-5]\d\d", code) and len(rest) < 2:
            return _returned(made, int(code), rest[0] if rest else "")
        case ("return", url) if url.startswith(("http://", "https://", "$scheme")):
            return _returned(made, 302, url)
    return None


def _returned(made: Snippet, code: int, text: str) -> Snippet | None:
    """Of several answers the first is given."""
    redirect = code in (301, 302, 303, 307, 308)
    variables = set(_VARIABLE.findall(text))
    if variables - set(VARIABLES) or (variables and not redirect):
        return None
    answer = Respond(code, location=_VARIABLE.sub(r"${\1}", text)) if redirect else Respond(code, text)
    return made._replace(answer=made.answer or answer)


def expand(said: Snippet, rule: Rule) -> Iterator[Rule]:
    """Headers for the backend take nothing from an answer that the proxy gives itself."""
    request = rule.request_headers.then(said.request) if rule.request_headers is not None else said.request
    response = rule.response_headers.then(said.response) if rule.response_headers is not None else said.response
    yield replace(
        rule,
        action=said.answer or rule.action,
        request_headers=request if request != HeaderEdit() else None,
        response_headers=response if response != HeaderEdit() else None,
    )
