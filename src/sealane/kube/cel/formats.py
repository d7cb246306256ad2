"""Kubernetes' format library: `format.dns1123Label().validate(self)`, which gives an optional list of complaints.

Functions written in Python cannot give optional values to the runtime, so they give lists, and `with_optionals` writes
an expression so that empty ones become optional.none().
Source: https://pkg.go.dev/k8s.io/apiserver/pkg/cel/library#Format
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from urllib.parse import urlsplit

from sealane.kube import names

_UUID = re.compile(r"(?i)[0-9a-f]{8}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{4}-?[0-9a-f]{12}")
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[Tt]\d\d:\d\d:\d\d(\.\d+)?([Zz]|[+-]\d\d:\d\d)")
_CALL = re.compile(r"\bformat\.(\w+)\(")
_NEXT = re.compile(r"\s*\.\s*(\w+)\(")

Check = Callable[[str], Iterable[str]]


def _prefix(check: Check) -> Check:
    """A name before a generated suffix: its last character may be a dash."""
    return lambda text: check(text[:-1] + "a" if text.endswith("-") else text)


def _uri(text: str) -> Iterable[str]:
    if not text:
        return [f'parse "{text}": empty url']
    try:
        found = urlsplit(text)
    except ValueError:
        return [f'parse "{text}": invalid URI for request']
    return [] if found.scheme or text.startswith("/") else [f'parse "{text}": invalid URI for request']


def _byte(text: str) -> Iterable[str]:
    try:
        base64.b64decode(text, validate=True)
    except (ValueError, binascii.Error):
        return ["invalid base64"]
    return []


def _date(text: str) -> Iterable[str]:
    try:
        date.fromisoformat(text)
    except ValueError:
        return ["invalid date"]
    return [] if len(text) == 10 else ["invalid date"]


FORMATS: Mapping[str, Check] = {
    "dns1123Label": names.dns_label,
    "dns1123Subdomain": names.dns_subdomain,
    "dns1035Label": names.dns_1035_label,
    "dns1123LabelPrefix": _prefix(names.dns_label),
    "dns1123SubdomainPrefix": _prefix(names.dns_subdomain),
    "dns1035LabelPrefix": _prefix(names.dns_1035_label),
    "qualifiedName": names.qualified_name,
    "labelValue": names.label_value,
    "uri": _uri,
    "uuid": lambda text: [] if _UUID.fullmatch(text) else ["does not match the UUID format"],
    "byte": _byte,
    "date": _date,
    "datetime": lambda text: [] if _DATETIME.fullmatch(text) else ["invalid datetime"],
}


def with_optionals(expression: str) -> str:
    """`expression` in which formats and their complaints are optional values."""
    found = _CALL.search(expression)
    if found is None or _in_text(expression, found.start()):
        return expression
    end = _closing(expression, found.end())
    if end < 0:
        return expression
    start, made = found.start(), expression[found.start() : end]
    if found[1] == "named":
        made = f"optional.ofNonZeroValue({made})"
    while following := _NEXT.match(expression, end):
        after = _closing(expression, following.end())
        if after < 0:
            break
        inner = with_optionals(expression[following.end() : after - 1])
        made += f".{following[1]}({inner})"
        if following[1] == "validate":
            made = f"optional.ofNonZeroValue({made})"
        end = after
    return expression[:start] + made + with_optionals(expression[end:])


def _closing(text: str, position: int) -> int:
    """Behind the parenthesis that closes the one before `position`; -1 when none does."""
    depth, quote = 1, ""
    while position < len(text):
        letter = text[position]
        if quote:
            if letter == "\\":
                position += 1
            elif letter == quote:
                quote = ""
        elif letter in "'\"":
            quote = letter
        elif letter == "(":
            depth += 1
        elif letter == ")":
            depth -= 1
            if depth == 0:
                return position + 1
        position += 1
    return -1


def _in_text(expression: str, position: int) -> bool:
    """Whether `position` is inside a string literal."""
    quote, index = "", 0
    while index < position:
        letter = expression[index]
        if quote:
            if letter == "\\":
                index += 1
            elif letter == quote:
                quote = ""
        elif letter in "'\"":
            quote = letter
        index += 1
    return bool(quote)
