"""Formats of strings that kube-apiserver checks. Others are accepted and mean nothing.

Sources: k8s.io/apiextensions-apiserver/pkg/apiserver/validation (formats.go), k8s.io/kube-openapi/pkg/validation/strfmt
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Callable, Mapping
from datetime import date, datetime
from ipaddress import IPv4Address, IPv6Address, ip_network
from urllib.parse import urlsplit

from sealane.kube import names

_EMAIL = re.compile(r"[^@\s<>()]+@[^@\s<>()]+")
_HOSTNAME = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)(\.(?!-)[A-Za-z0-9_-]{1,63}(?<!-))*\.?")
_MAC = re.compile(
    r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}(([:-][0-9A-Fa-f]{2}){2})?|([0-9A-Fa-f]{4}\.){2,3}[0-9A-Fa-f]{4}"
)
_DATETIME = re.compile(r"\d{4}-\d\d-\d\d[Tt ]\d\d:\d\d:\d\d([.,]\d+)?([Zz]|[+-]\d\d:?\d\d)")
_DURATION = re.compile(r"[+-]?(\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h)((\d+(\.\d*)?|\.\d+)(ns|us|µs|μs|ms|s|m|h))*|0")
_SCALA = re.compile(
    r"(\d+)\s*(ns|nano|nanos|nanosecond|nanoseconds|us|micro|micros|microsecond|microseconds|ms|milli|millis|millisecond|"
    r"milliseconds|s|sec|secs|second|seconds|m|min|mins|minute|minutes|h|hr|hrs|hour|hours|d|day|days|w|wk|wks|week|weeks)"
)
_SSN = re.compile(r"\d{3}[- ]?\d{2}[- ]?\d{4}")
_HEX_COLOR = re.compile(r"#?([0-9a-fA-F]{3}|[0-9a-fA-F]{6})")
_RGB = re.compile(r"rgb\(\s*(\d{1,3})\s*,\s*(\d{1,3})\s*,\s*(\d{1,3})\s*\)")
_CARD = re.compile(
    r"(?:4[0-9]{12}(?:[0-9]{3})?|5[1-5][0-9]{14}|6(?:011|5[0-9]{2})[0-9]{12}|3[47][0-9]{13}|3(?:0[0-5]|[68][0-9])[0-9]{11}|"
    r"(?:2131|1800|35\d{3})\d{11})"
)


def _parses(parse: Callable[[str], object]) -> Callable[[str], bool]:
    def check(text: str) -> bool:
        try:
            parse(text)
        except (ValueError, binascii.Error):
            return False
        return True

    return check


def _uri(text: str) -> bool:
    try:
        found = urlsplit(text)
    except ValueError:
        return False
    return bool(text) and bool(found.scheme or text.startswith("/"))


def _uuid(version: str = "") -> Callable[[str], bool]:
    third = f"{version}[0-9a-f]{{3}}" if version else "[0-9a-f]{4}"
    fourth = "[89ab][0-9a-f]{3}" if version in ("4", "5") else "[0-9a-f]{4}"
    found = re.compile(rf"(?i)[0-9a-f]{{8}}-?[0-9a-f]{{4}}-?{third}-?{fourth}-?[0-9a-f]{{12}}")
    return lambda text: found.fullmatch(text) is not None


def _isbn(text: str) -> bool:
    return _isbn10(text) or _isbn13(text)


def _isbn10(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"\d{9}[\dX]", digits):
        return False
    return sum((10 - at) * (10 if each == "X" else int(each)) for at, each in enumerate(digits)) % 11 == 0


def _isbn13(text: str) -> bool:
    digits = re.sub(r"[\s-]", "", text)
    if not re.fullmatch(r"\d{13}", digits):
        return False
    return sum(int(each) * (3 if at % 2 else 1) for at, each in enumerate(digits)) % 10 == 0


def _card(text: str) -> bool:
    digits = re.sub(r"[^0-9]+", "", text)
    if not _CARD.fullmatch(digits):
        return False
    doubled = [int(each) * (1 + at % 2) for at, each in enumerate(reversed(digits))]
    return sum(each - 9 if each > 9 else each for each in doubled) % 10 == 0


def _datetime(text: str) -> bool:
    return _DATETIME.fullmatch(text) is not None and _parses(datetime.fromisoformat)(text[:19].replace(" ", "T"))


def _full(found: re.Pattern[str]) -> Callable[[str], bool]:
    return lambda text: found.fullmatch(text) is not None


def _cidr(text: str) -> bool:
    return "/" in text and _parses(lambda each: ip_network(each, strict=False))(text)


_CHECKS: Mapping[str, Callable[[str], bool]] = {
    "bsonobjectid": _full(re.compile("[0-9a-fA-F]{24}")),
    "uri": _uri,
    "email": _full(_EMAIL),
    "hostname": lambda text: len(text) <= 255 and _HOSTNAME.fullmatch(text) is not None,
    "ipv4": _parses(IPv4Address),
    "ipv6": _parses(IPv6Address),
    "cidr": _cidr,
    "mac": _full(_MAC),
    "uuid": _uuid(),
    "uuid3": _uuid("3"),
    "uuid4": _uuid("4"),
    "uuid5": _uuid("5"),
    "isbn": _isbn,
    "isbn10": _isbn10,
    "isbn13": _isbn13,
    "creditcard": _card,
    "ssn": _full(_SSN),
    "hexcolor": _full(_HEX_COLOR),
    "rgbcolor": _full(_RGB),
    "byte": _parses(lambda text: base64.b64decode(text, validate=True)),
    "password": lambda text: True,
    "date": lambda text: len(text) == 10 and _parses(date.fromisoformat)(text),
    "duration": lambda text: bool(_DURATION.fullmatch(text) or _SCALA.fullmatch(text)),
    "datetime": _datetime,
    "k8sshortname": lambda text: not any(names.dns_label(text)),
    "k8slongname": lambda text: not any(names.dns_subdomain(text)),
}


def known(name: str) -> str:
    """The format as it is checked; "" for one that means nothing here, as int32 does."""
    return name if name.replace("-", "") in _CHECKS else ""


def fits(name: str, text: str) -> bool:
    check = _CHECKS.get(name.replace("-", ""))
    return check is None or check(text)
