"""The functions that Kubernetes adds to CEL: their names, signatures and what computes them.

Types are those of the runtime; "map" stands for every value of `values`, "optional" results are lists (see `formats`).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from sealane.kube.cel import authorization, values
from sealane.kube.cel.formats import FORMATS


class Overload(NamedTuple):
    """One signature of a function. member: it is called on its first parameter."""

    function: str
    member: bool
    parameters: tuple[str, ...]
    result: str
    computes: Callable[..., Any]


def _constant(name: str) -> Callable[[], values.Value]:
    return lambda: {"format": name}


OVERLOADS: tuple[Overload, ...] = (
    Overload("quantity", False, ("string",), "map", values.quantity),
    Overload("isQuantity", False, ("string",), "bool", values.is_quantity),
    Overload("sign", True, ("map",), "int", values.sign),
    Overload("isInteger", True, ("map",), "bool", values.is_integer),
    Overload("asInteger", True, ("map",), "int", values.as_integer),
    Overload("asApproximateFloat", True, ("map",), "double", values.approximate),
    Overload("add", True, ("map", "map"), "map", values.added),
    Overload("add", True, ("map", "int"), "map", values.added),
    Overload("sub", True, ("map", "map"), "map", values.subtracted),
    Overload("sub", True, ("map", "int"), "map", values.subtracted),
    Overload("isGreaterThan", True, ("map", "map"), "bool", lambda one, two: values.compared(one, two) > 0),
    Overload("isLessThan", True, ("map", "map"), "bool", lambda one, two: values.compared(one, two) < 0),
    Overload("compareTo", True, ("map", "map"), "int", values.compared),
    Overload("semver", False, ("string",), "map", values.semver),
    Overload("semver", False, ("string", "bool"), "map", values.semver),
    Overload("isSemver", False, ("string",), "bool", values.is_semver),
    Overload("isSemver", False, ("string", "bool"), "bool", values.is_semver),
    Overload("major", True, ("map",), "int", lambda value: value["major"]),
    Overload("minor", True, ("map",), "int", lambda value: value["minor"]),
    Overload("patch", True, ("map",), "int", lambda value: value["patch"]),
    Overload("ip", False, ("string",), "map", values.ip),
    Overload("ip", True, ("map",), "map", values.address_of),
    Overload("isIP", False, ("string",), "bool", values.is_ip),
    Overload("ip.isCanonical", False, ("string",), "bool", values.is_canonical),
    Overload("family", True, ("map",), "int", values.family),
    Overload("isUnspecified", True, ("map",), "bool", values.is_unspecified),
    Overload("isLoopback", True, ("map",), "bool", values.is_loopback),
    Overload("isLinkLocalMulticast", True, ("map",), "bool", values.is_link_local_multicast),
    Overload("isLinkLocalUnicast", True, ("map",), "bool", values.is_link_local_unicast),
    Overload("isGlobalUnicast", True, ("map",), "bool", values.is_global_unicast),
    Overload("cidr", False, ("string",), "map", values.cidr),
    Overload("isCIDR", False, ("string",), "bool", values.is_cidr),
    Overload("containsIP", True, ("map", "string"), "bool", values.contains_ip),
    Overload("containsIP", True, ("map", "map"), "bool", values.contains_ip),
    Overload("containsCIDR", True, ("map", "string"), "bool", values.contains_cidr),
    Overload("containsCIDR", True, ("map", "map"), "bool", values.contains_cidr),
    Overload("prefixLength", True, ("map",), "int", values.prefix_length),
    Overload("masked", True, ("map",), "map", values.masked),
    Overload("url", False, ("string",), "map", values.url),
    Overload("isURL", False, ("string",), "bool", values.is_url),
    Overload("getScheme", True, ("map",), "string", values.scheme),
    Overload("getHost", True, ("map",), "string", values.host),
    Overload("getHostname", True, ("map",), "string", values.hostname),
    Overload("getPort", True, ("map",), "string", values.port),
    Overload("getEscapedPath", True, ("map",), "string", values.escaped_path),
    Overload("getQuery", True, ("map",), "map", values.query),
    Overload("isSorted", True, ("list",), "bool", values.is_sorted),
    Overload("sum", True, ("list",), "dyn", values.total),
    Overload("min", True, ("list",), "dyn", values.smallest),
    Overload("max", True, ("list",), "dyn", values.largest),
    Overload("find", True, ("string", "string"), "string", values.found_in),
    Overload("findAll", True, ("string", "string"), "list", values.all_found_in),
    Overload("findAll", True, ("string", "string", "int"), "list", values.all_found_in),
    Overload("path", True, ("map", "string"), "map", authorization.with_path),
    Overload("group", True, ("map", "string"), "map", authorization.with_group),
    Overload("serviceAccount", True, ("map", "string", "string"), "map", authorization.with_service_account),
    Overload("resource", True, ("map", "string"), "map", authorization.with_resource),
    Overload("subresource", True, ("map", "string"), "map", authorization.with_subresource),
    Overload("namespace", True, ("map", "string"), "map", authorization.with_namespace),
    Overload("name", True, ("map", "string"), "map", authorization.with_name),
    Overload("fieldSelector", True, ("map", "string"), "map", authorization.with_selector),
    Overload("labelSelector", True, ("map", "string"), "map", authorization.with_selector),
    Overload("check", True, ("map", "string"), "map", authorization.checked),
    Overload("allowed", True, ("map",), "bool", lambda decision: decision["allowed"]),
    Overload("reason", True, ("map",), "string", lambda decision: decision["reason"]),
    Overload("errored", True, ("map",), "bool", lambda decision: False),
    Overload("error", True, ("map",), "string", lambda decision: ""),
    Overload("jsonpatch.escapeKey", False, ("string",), "string", values.escape_key),
    Overload("format.named", False, ("string",), "map", values.named_format),
    Overload("validate", True, ("map", "string"), "list", values.complaints),
    *(Overload(f"format.{name}", False, (), "map", _constant(name)) for name in FORMATS),
)
