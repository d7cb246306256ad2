"""Validation of objects: types and limits, lists that are sets or maps, embedded objects, CEL rules.

An update forgives what was wrong before and did not change (KEP-4008).
Source: k8s.io/apiextensions-apiserver/pkg/registry/customresource and k8s.io/kube-openapi/pkg/validation/validate
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sealane.kube.gotext import quoted
from sealane.kube.objects import Raw
from sealane.kube.structural.embedded import embedded_causes
from sealane.kube.structural.limits import Cause, mistyped, required
from sealane.kube.structural.lists import list_causes
from sealane.kube.structural.node import MISSING, Node
from sealane.kube.structural.rules import rule_causes

__all__ = ["Cause", "status_causes", "update_causes", "validation_causes"]

_BLOCKING = frozenset({"FieldValueRequired", "FieldValueTooLong", "FieldValueTooMany", "FieldValueTypeInvalid"})
_UNCHECKED: Cause = (
    "<nil>",
    "FieldValueInvalid",
    "Invalid value: null: some validation rules were not checked because the object was invalid; correct the existing "
    "errors to complete validation",
)
_TYPES = {bool: "boolean", int: "integer", float: "number", str: "string", list: "array", dict: "object"}
_INFERRED = {int: "int64", float: "double"}


def validation_causes(node: Node, raw: Raw) -> list[Cause]:
    """The errors of a new object."""
    causes = list(checked(node, raw))
    if node.has_embedded:
        causes += embedded_causes(node, raw)
    if node.has_lists:
        causes += list_causes(node, raw)
    return _with_rules(node, raw, None, causes, [])


def update_causes(node: Node, raw: Raw, old: Raw, warnings: list[str]) -> list[Cause]:
    """The errors of an object that replaces `old`. warnings: broken rules about what did not change."""
    causes = list(checked(node, raw, "", old))
    if node.has_embedded:
        causes += embedded_causes(node, raw)
    if node.has_lists and not any(list_causes(node, old)):
        causes += list_causes(node, raw)
    return _with_rules(node, raw, old, causes, warnings)


def status_causes(node: Node, raw: Raw, old: Raw, warnings: list[str]) -> list[Cause]:
    """The errors of an object of which only the status was written."""
    status = node.properties.get("status")
    if status is None:
        return []
    causes: list[Cause] = []
    if "status" in raw:
        found = checked(status, raw["status"], "", old.get("status", MISSING))
        causes = [(_below("status", path), reason, message) for path, reason, message in found]
    if node.has_lists and not any(list_causes(node, old)):
        causes += list_causes(node, raw)
    return _with_rules(node, raw, old, causes, warnings)


def _below(prefix: str, path: str) -> str:
    if path == "<nil>":
        return prefix
    return f"{prefix}.{path}" if path else prefix


def _with_rules(node: Node, raw: Raw, old: Raw | None, causes: list[Cause], warnings: list[str]) -> list[Cause]:
    if not node.has_rules:
        return causes
    if any(reason in _BLOCKING for _, reason, _ in causes):
        return [*causes, _UNCHECKED]
    return causes + rule_causes(node, raw, old, warnings)


def checked(node: Node, value: Any, path: str = "", old: Any = MISSING) -> Iterator[Cause]:
    """Types, required fields and limits. old: what was here before, MISSING when nothing that compares."""
    found = _checked(node, value, path, old)
    if old is MISSING:
        yield from found
        return
    causes = list(found)
    if causes and value != old:
        yield from causes


def _checked(node: Node, value: Any, path: str, old: Any) -> Iterator[Cause]:
    if value is None:
        if node.types and not node.nullable:
            yield mistyped(path, ",".join(node.types), "null")
        for limit in node.limits:
            yield from limit(value, path)
        return
    if node.types or node.format:
        yield from _check_type(node, value, path)
    if node.any_of or node.one_of or node.all_of or node.negated:
        yield from _check_alternatives(node, value, path)
    for limit in node.limits:
        yield from limit(value, path)
    if isinstance(value, dict):
        yield from _check_fields(node, value, path, old)
    elif isinstance(value, list) and node.items is not None:
        before = _correlated(node, old)
        for index, item in enumerate(value):
            was = before.get(_key(node, item), MISSING) if before else MISSING
            yield from checked(node.items, item, f"{path}[{index}]", was)


def _check_fields(node: Node, value: Raw, path: str, old: Any) -> Iterator[Cause]:
    comparable = isinstance(old, dict) and node.map_type != "atomic"
    if node.additional is not None:
        for key, each in value.items():
            if key not in node.properties:
                was = old.get(key, MISSING) if comparable else MISSING
                yield from checked(node.additional, each, f"{path}.{key}", was)
    for name, inner in node.properties.items():
        if name in value:
            was = old.get(name, MISSING) if comparable and (path or name not in ("apiVersion", "kind")) else MISSING
            yield from checked(inner, value[name], f"{path}.{name}" if path else name, was)
    for name in node.required:
        if name not in value:
            yield required(f"{path}.{name}" if path else name)


def _check_type(node: Node, value: Any, path: str) -> Iterator[Cause]:
    of = _TYPES[type(value)]
    integral = of == "number" and float(value).is_integer() and "integer" in node.types
    fits = of in node.types or integral or (of == "integer" and "number" in node.types)
    numeric = "number" in node.types or "integer" in node.types
    if node.format and of not in ("string", "array") and not fits:
        yield mistyped(path, node.format, _INFERRED.get(type(value), ""))
    elif node.format and of in ("string", "array") and not numeric:
        return  # the format is checked by itself
    elif not fits:
        yield mistyped(path, ",".join(node.types), of)


def _check_alternatives(node: Node, value: Any, path: str) -> Iterator[Cause]:
    if node.any_of:
        failures = _failures(node.any_of, value, path)
        if all(failures):
            yield _composite(f"{quoted(path)} must validate at least one schema (anyOf)")
            yield from failures[0]
    if node.one_of:
        failures = _failures(node.one_of, value, path)
        valid = sum(not each for each in failures)
        if valid != 1:
            how = f"Found {valid} valid alternatives" if valid else "Found none valid"
            yield _composite(f"{quoted(path)} must validate one and only one schema (oneOf). {how}")
            if not valid:
                yield from failures[0]
    if node.all_of:
        failures = _failures(node.all_of, value, path)
        for each in failures:
            yield from each
        if any(failures):
            how = ". None validated" if all(failures) else ""
            yield _composite(f"{quoted(path)} must validate all the schemas (allOf){how}")
    if node.negated is not None and not any(checked(node.negated, value, path)):
        yield _composite(f"{quoted(path)} must not validate the schema (not)")


def _failures(nodes: tuple[Node, ...], value: Any, path: str) -> list[list[Cause]]:
    return [list(checked(each, value, path)) for each in nodes]


def _composite(why: str) -> Cause:
    return ("<nil>", "FieldValueInvalid", f'Invalid value: "": {why}')


def _correlated(node: Node, old: Any) -> dict[Any, Any]:
    """The elements of a list of list-type map before the update, by their keys. Other lists do not correlate."""
    if node.list_type != "map" or not isinstance(old, list):
        return {}
    return {_key(node, each): each for each in old}


def _key(node: Node, item: Any) -> Any:
    return tuple(str(item.get(key)) for key in node.keys) if isinstance(item, dict) else None
