"""Formats of names, labels, ports and addresses. Each check returns what is wrong, in Kubernetes' words, or nothing.

Source: https://kubernetes.io/docs/concepts/overview/working-with-objects/names/,
k8s.io/apimachinery/pkg/util/validation
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import cache
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network

Check = Callable[[str], Iterator[str]]

_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_SUBDOMAIN = rf"{_LABEL}(\.{_LABEL})*"
_LABEL_1035 = r"[a-z]([-a-z0-9]*[a-z0-9])?"
_QUALIFIED = r"([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]"
_VALUE = rf"({_QUALIFIED})?"
_CONFIG_KEY = r"[-._a-zA-Z0-9]+"


@cache
def _compiled(pattern: str) -> re.Pattern[str]:
    return re.compile(pattern)


def _matches(pattern: str, text: str) -> bool:
    return _compiled(pattern).fullmatch(text) is not None


def _length(text: str, limit: int) -> Iterator[str]:
    if len(text.encode()) > limit:
        yield f"must be no more than {limit} bytes"


def dns_label(text: str) -> Iterator[str]:
    """RFC 1123 label."""
    yield from _length(text, 63)
    if not _matches(_LABEL, text):
        yield (
            "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and "
            "end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is "
            f"'{_LABEL}')"
        )


def dns_1035_label(text: str) -> Iterator[str]:
    """RFC 1035 label: names of Services."""
    yield from _length(text, 63)
    if not _matches(_LABEL_1035, text):
        yield (
            "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic "
            "character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for "
            f"validation is '{_LABEL_1035}')"
        )


def dns_subdomain(text: str) -> Iterator[str]:
    """RFC 1123 subdomain: labels joined by dots, at most 253 bytes."""
    yield from _length(text, 253)
    if not _matches(_SUBDOMAIN, text):
        yield (
            "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is "
            f"'{_SUBDOMAIN}')"
        )


def wildcard_subdomain(text: str) -> Iterator[str]:
    """ "*." and an RFC 1123 subdomain."""
    if not text.startswith("*.") or any(dns_subdomain(text[2:])):
        yield (
            "a wildcard DNS-1123 subdomain must start with '*.', followed by a valid DNS subdomain, which must consist "
            "of lower case alphanumeric characters, '-' or '.' and end with an alphanumeric character (e.g. "
            f"'*.example.com', regex used for validation is '\\*\\.{_SUBDOMAIN}')"
        )


def path_segment(text: str) -> Iterator[str]:
    """A name that can stand in a URL path: names of RBAC objects."""
    if text in (".", ".."):
        yield f"may not be '{text}'"
    yield from (f"may not contain '{each}'" for each in "/%" if each in text)


def qualified_name(text: str) -> Iterator[str]:
    """[prefix/]name: keys of labels and annotations."""
    prefix, slash, name = text.rpartition("/")
    if slash and (not prefix or "/" in prefix):
        yield (
            "a qualified name must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character with an optional DNS subdomain prefix and '/' (e.g. 'example.com/MyName')"
        )
        return
    if prefix:
        yield from (f"prefix part {why}" for why in dns_subdomain(prefix))
    if not name:
        yield "name part must be non-empty"
    yield from (f"name part {why}" for why in _length(name, 63))
    if not _matches(_QUALIFIED, name):
        yield (
            "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an "
            "alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is "
            f"'{_QUALIFIED}')"
        )


def label_value(text: str) -> Iterator[str]:
    yield from _length(text, 63)
    if not _matches(_VALUE, text):
        yield (
            "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must "
            "start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for "
            f"validation is '{_VALUE}')"
        )


def config_key(text: str) -> Iterator[str]:
    """Keys of ConfigMaps and Secrets."""
    yield from _length(text, 253)
    if not _matches(_CONFIG_KEY, text) or text in (".", ".."):
        yield (
            "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or "
            f"'KEY_NAME',  or 'key-name', regex used for validation is '{_CONFIG_KEY}')"
        )


def port_name(text: str) -> Iterator[str]:
    """IANA service name (RFC 6335): names of container ports."""
    if len(text) > 15:
        yield "must be no more than 15 characters"
    if not _matches(r"[-a-z0-9]+", text):
        yield "must contain only alphanumeric characters (a-z, 0-9), and hyphens (-)"
    if not re.search("[a-z]", text):
        yield "must contain at least one letter (a-z)"
    if "--" in text:
        yield "must not contain consecutive hyphens"
    if text.startswith("-") or text.endswith("-"):
        yield "must not begin or end with a hyphen"


def port_number(number: int) -> Iterator[str]:
    if not 1 <= number <= 65535:
        yield "must be between 1 and 65535, inclusive"


def address(text: str) -> Iterator[str]:
    """IPv4 or IPv6, without zone."""
    try:
        if "%" in text:
            raise ValueError
        ip_address(text)
    except ValueError:
        yield "must be a valid IP address, (e.g. 10.9.8.7 or 2001:db8::ffff)"


def canonical_address(text: str) -> Iterator[str]:
    """The one form that an address is printed in: names of IPAddresses."""
    try:
        canonical = str(ip_address(text)) == text
    except ValueError:
        canonical = False
    if not canonical:
        yield "must be an IP address in canonical form"


def cidr(text: str) -> Iterator[str]:
    if network(text) is None:
        yield "must be a valid CIDR value, (e.g. 10.9.8.0/24 or 2001:db8::/64)"


def network(text: str) -> IPv4Network | IPv6Network | None:
    """The network a CIDR text names (host bits are dropped); None when it names none."""
    try:
        return ip_network(text, strict=False) if "/" in text else None
    except ValueError:
        return None
