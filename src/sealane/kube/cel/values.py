"""The values of Kubernetes' CEL libraries: quantities, addresses, networks, URLs, semantic versions.

The runtime knows no types of ours, so each value is a map that says what it is; equal values are equal maps.
Sources: https://kubernetes.io/docs/reference/using-api/cel/ and k8s.io/apiserver/pkg/cel/library
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from decimal import Decimal, InvalidOperation
from ipaddress import IPv4Address, IPv6Address, IPv6Network, ip_address, ip_network
from itertools import pairwise
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

from sealane.kube.cel.formats import FORMATS
from sealane.kube.regex import pattern

Value = dict[str, Any]
_SUFFIXES = {
    "n": Decimal("1e-9"),
    "u": Decimal("1e-6"),
    "m": Decimal("1e-3"),
    "": Decimal(1),
    **{letter: Decimal(1000) ** power for power, letter in enumerate("kMGTPE", 1)},
    **{f"{letter}i": Decimal(1024) ** power for power, letter in enumerate("KMGTPE", 1)},
}
_QUANTITY = re.compile(r"([+-]?(?:\d+\.?\d*|\.\d+))([eE][+-]?\d+|[KMGTPE]i|[numkMGTPE]?)")
_SEMVER = re.compile(
    r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)"
    r"(?:-((?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*)(?:\.(?:0|[1-9]\d*|\d*[a-zA-Z-][\da-zA-Z-]*))*))?"
    r"(?:\+([\da-zA-Z-]+(?:\.[\da-zA-Z-]+)*))?"
)


# Quantities


def quantity(text: str) -> Value:
    """Raises ValueError."""
    found = _QUANTITY.fullmatch(text)
    if found is None:
        raise ValueError("quantities must match the regular expression '^([+-]?[0-9.]+)([eEinumkKMGTP]*[-+]?[0-9]*)$'")
    number, suffix = Decimal(found[1]), found[2]
    scale = Decimal(f"1{suffix}") if suffix[:1] in ("e", "E") and len(suffix) > 1 and suffix[1:2] != "i" else None
    return _quantity(number * (scale if scale is not None else _SUFFIXES[suffix]))


def _quantity(number: Decimal) -> Value:
    return {"quantity": format(number.normalize(), "f")}


def _number(value: Value) -> Decimal:
    return Decimal(value["quantity"])


def is_quantity(text: str) -> bool:
    try:
        quantity(text)
    except (ValueError, InvalidOperation):
        return False
    return True


def sign(value: Value) -> int:
    number = _number(value)
    return (number > 0) - (number < 0)


def is_integer(value: Value) -> bool:
    number = _number(value)
    return number == number.to_integral_value() and -(2**63) <= number < 2**63


def as_integer(value: Value) -> int:
    if not is_integer(value):
        raise ValueError("cannot convert value to integer")
    return int(_number(value))


def approximate(value: Value) -> float:
    return float(_number(value))


def added(value: Value, other: Value | int) -> Value:
    return _quantity(_number(value) + (other if isinstance(other, int) else _number(other)))


def subtracted(value: Value, other: Value | int) -> Value:
    return _quantity(_number(value) - (other if isinstance(other, int) else _number(other)))


# Semantic versions (https://semver.org)


def semver(text: str, normalize: bool = False) -> Value:
    """normalize: a leading v goes, missing numbers are 0, leading zeros go. Raises ValueError."""
    if normalize:
        core, sign_, rest = re.match(r"v?([^-+]*)([-+]?)(.*)", text).groups()  # type: ignore[union-attr]
        numbers = [str(int(part)) if part.isdigit() else part for part in core.split(".")]
        text = ".".join([*numbers, "0", "0"][: max(3, len(numbers))]) + sign_ + rest
    found = _SEMVER.fullmatch(text)
    if found is None:
        raise ValueError("Invalid Semantic Version")
    return {"semver": text, "major": int(found[1]), "minor": int(found[2]), "patch": int(found[3])}


def is_semver(text: str, normalize: bool = False) -> bool:
    try:
        semver(text, normalize)
    except ValueError:
        return False
    return True


def _precedence(value: Value) -> tuple[Any, ...]:
    found = _SEMVER.fullmatch(value["semver"])
    pre = found[4] if found else None
    parts = [(0, int(each), "") if each.isdigit() else (1, 0, each) for each in (pre or "").split(".")]
    return (value["major"], value["minor"], value["patch"], pre is None, parts if pre else [])


def compared(value: Value, other: Value) -> int:
    """-1, 0 or 1: two quantities or two versions."""
    if "semver" in value:
        left, right = _precedence(value), _precedence(other)
        return (left > right) - (left < right)
    difference = _number(value) - _number(other)
    return (difference > 0) - (difference < 0)


# Addresses and networks


def _parsed(text: str) -> IPv4Address | IPv6Address:
    if "%" in text:
        raise ValueError("IP address with zone value is not allowed")
    found = ip_address(text)
    if isinstance(found, IPv6Address) and found.ipv4_mapped is not None:
        raise ValueError("IPv4-mapped IPv6 address is not allowed")
    return found


def ip(text: str) -> Value:
    """Raises ValueError."""
    return {"ip": str(_parsed(text))}


def is_ip(text: str) -> bool:
    try:
        _parsed(text)
    except ValueError:
        return False
    return True


def is_canonical(text: str) -> bool:
    return str(_parsed(text)) == text


def _address(value: Value) -> IPv4Address | IPv6Address:
    return ip_address(value["ip"])


def family(value: Value) -> int:
    return _address(value).version


def is_unspecified(value: Value) -> bool:
    return _address(value).is_unspecified


def is_loopback(value: Value) -> bool:
    return _address(value).is_loopback


def is_link_local_multicast(value: Value) -> bool:
    address = _address(value)
    return address in ip_network("224.0.0.0/24") or (
        isinstance(address, IPv6Address) and address.is_multicast and address.packed[1] & 0x0F == 2
    )


def is_link_local_unicast(value: Value) -> bool:
    address = _address(value)
    return address.is_link_local and not address.is_multicast


def is_global_unicast(value: Value) -> bool:
    """As Go's netip.Addr.IsGlobalUnicast: also private addresses."""
    address = _address(value)
    if address == IPv4Address("255.255.255.255"):
        return False
    return not (address.is_unspecified or address.is_loopback or address.is_multicast or address.is_link_local)


def cidr(text: str) -> Value:
    """Raises ValueError."""
    address, _, length = text.partition("/")
    _parsed(address)
    if not length.isdigit() or (len(length) > 1 and length[0] == "0"):
        raise ValueError("network address parse error during conversion from string")
    ip_network(text, strict=False)
    return {"cidr": f"{ip_address(address)}/{length}"}


def is_cidr(text: str) -> bool:
    try:
        cidr(text)
    except ValueError:
        return False
    return True


def contains_ip(value: Value, other: Value | str) -> bool:
    address = _parsed(other) if isinstance(other, str) else _address(other)
    return address in ip_network(value["cidr"], strict=False)


def contains_cidr(value: Value, other: Value | str) -> bool:
    inner = cidr(other) if isinstance(other, str) else other
    one, two = ip_network(value["cidr"], strict=False), ip_network(inner["cidr"], strict=False)
    if isinstance(one, IPv6Network):
        return isinstance(two, IPv6Network) and two.subnet_of(one)
    return not isinstance(two, IPv6Network) and two.subnet_of(one)


def address_of(value: Value) -> Value:
    return {"ip": value["cidr"].partition("/")[0]}


def prefix_length(value: Value) -> int:
    return int(value["cidr"].partition("/")[2])


def masked(value: Value) -> Value:
    return {"cidr": str(ip_network(value["cidr"], strict=False))}


# URLs


def url(text: str) -> Value:
    """An absolute URI or an absolute path. Raises ValueError."""
    found = urlsplit(text)
    if not found.scheme and not text.startswith("/"):
        raise ValueError(f"URL parse error during conversion from string: parse {text!r}: invalid URI for request")
    _ = found.port  # raises for one that is no number
    return {"url": text}


def is_url(text: str) -> bool:
    try:
        url(text)
    except ValueError:
        return False
    return True


def scheme(value: Value) -> str:
    return urlsplit(value["url"]).scheme


def host(value: Value) -> str:
    return urlsplit(value["url"]).netloc.rpartition("@")[2]


def hostname(value: Value) -> str:
    return urlsplit(value["url"]).hostname or ""


def port(value: Value) -> str:
    found = urlsplit(value["url"]).port
    return "" if found is None else str(found)


def escaped_path(value: Value) -> str:
    return quote(urlsplit(value["url"]).path, safe="/%:@!$&'()*+,;=~-._")


def query(value: Value) -> dict[str, list[str]]:
    return parse_qs(urlsplit(value["url"]).query, keep_blank_values=True)


# Lists


def is_sorted(values: Sequence[Any]) -> bool:
    return all(one <= two for one, two in pairwise(values))


def total(values: Sequence[Any]) -> Any:
    return sum(values) if values else 0


def smallest(values: Sequence[Any]) -> Any:
    """Raises ValueError for none."""
    if not values:
        raise ValueError("min called on empty list")
    return min(values)


def largest(values: Sequence[Any]) -> Any:
    """Raises ValueError for none."""
    if not values:
        raise ValueError("max called on empty list")
    return max(values)


# Text


def found_in(text: str, expression: str) -> str:
    found = pattern(expression).search(text)
    return found[0] if found else ""


def all_found_in(text: str, expression: str, limit: int = -1) -> list[str]:
    found = [each[0] for each in pattern(expression).finditer(text)]
    return found if limit < 0 else found[:limit]


def escape_key(text: str) -> str:
    """RFC 6901."""
    return text.replace("~", "~0").replace("/", "~1")


def complaints(format_: Value, text: str) -> list[str]:
    return list(FORMATS[format_["format"]](text))


def named_format(name: str) -> Value:
    """{} for a name that there is not."""
    return {"format": name} if name in FORMATS else {}
