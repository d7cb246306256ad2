"""Whether a schema is structural: types are outside of anyOf and the like, and everything named there is named outside.

Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema (validation.go, complete.go), KEP-1295
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sealane.kube.gotext import shown
from sealane.kube.regex import PatternError, pattern
from sealane.kube.structural.limits import Cause
from sealane.kube.structural.paths import at

Schema = Mapping[str, Any]

_INT_OR_STRING = [{"type": "integer"}, {"type": "string"}]
_EMPTY = {"root": "at the root", "item": "for specified array items", "field": "for specified object fields"}
_NOT_INSIDE = {
    "type": "must be empty to be structural",
    "additionalProperties": "must be undefined to be structural",
    "default": "must be undefined to be structural",
    "title": "must be empty to be structural",
    "description": "must be empty to be structural",
    "nullable": "must be false to be structural",
    "x-kubernetes-preserve-unknown-fields": "must be false to be structural",
    "x-kubernetes-embedded-resource": "must be false to be structural",
    "x-kubernetes-int-or-string": "must be false to be structural",
    "x-kubernetes-list-map-keys": "must be empty to be structural",
    "x-kubernetes-list-type": "must be undefined to be structural",
    "x-kubernetes-map-type": "must be undefined to be structural",
}


def structure_causes(schema: Schema, path: str) -> list[Cause]:
    """In the order of their text, as kube-apiserver gives them."""
    found = [*_invariants(schema, "root", path), *_complete(schema, schema, path, path)]
    return sorted(found, key=lambda cause: f"{cause[0]}: {cause[2]}")


def forbidden(path: str, why: str) -> Cause:
    return (path, "FieldValueForbidden", f"Forbidden: {why}")


def required(path: str, why: str = "") -> Cause:
    return (path, "FieldValueRequired", f"Required value{': ' if why else ''}{why}")


def invalid(path: str, value: Any, why: str) -> Cause:
    return (path, "FieldValueInvalid", f"Invalid value: {shown(value)}: {why}")


def _invariants(schema: Schema, level: str, path: str) -> Iterator[Cause]:
    type_, items = schema.get("type") or "", schema.get("items")
    properties: Schema = schema.get("properties") or {}
    more = schema.get("additionalProperties")
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    is_open = bool(schema.get("x-kubernetes-preserve-unknown-fields"))
    either = bool(schema.get("x-kubernetes-int-or-string"))
    if type_ == "array" and items is None:
        yield required(f"{path}.items", "must be specified")
    if isinstance(items, Mapping):
        yield from _invariants(items, "item", f"{path}.items")
    for name, each in properties.items():
        yield from _invariants(each, "field", at(f"{path}.properties", name))
    if more is not None:
        if level == "root":
            yield forbidden(f"{path}.additionalProperties", "must not be used at the root")
        if isinstance(more, Mapping):
            yield from _invariants(more, "field", f"{path}.additionalProperties")
    if either and is_open:
        where = f"{path}.x-kubernetes-preserve-unknown-fields"
        yield invalid(where, True, "must be false if x-kubernetes-int-or-string is true")
    if either and embedded:
        where = f"{path}.x-kubernetes-embedded-resource"
        yield invalid(where, True, "must be false if x-kubernetes-int-or-string is true")
    any_skipped = schema.get("anyOf") == _INT_OR_STRING
    all_of: Sequence[Schema] = schema.get("allOf") or ()
    yield from _values(schema, any_skipped, bool(all_of) and all_of[0].get("anyOf") == _INT_OR_STRING, path)
    if embedded and type_ != "object":
        why = "must be object if x-kubernetes-embedded-resource is true"
        yield invalid(f"{path}.type", type_, why) if type_ else required(f"{path}.type", why)
    elif not type_ and not either and not is_open:
        yield required(f"{path}.type", f"must not be empty {_EMPTY[level]}")
    if embedded and more is not None:
        why = "must not be used if x-kubernetes-embedded-resource is set"
        yield forbidden(f"{path}.additionalProperties", why)
    if level == "root" and type_ and type_ != "object":
        yield invalid(f"{path}.type", type_, "must be object at the root")
    if level == "root" or embedded:
        for name in ("kind", "apiVersion"):
            if name in properties and properties[name].get("type") != "string":
                where = at(f"{path}.properties", name)
                yield invalid(f"{where}.type", properties[name].get("type") or "", "must be string")
    if "metadata" in properties:
        whole = level == "root" or embedded
        yield from _metadata(properties["metadata"], whole, level, at(f"{path}.properties", "metadata"))
    if embedded and not is_open and not properties:
        why = "must not be empty if x-kubernetes-embedded-resource is true without x-kubernetes-preserve-unknown-fields"
        yield required(f"{path}.properties", why)


def _metadata(schema: Schema, whole: bool, level: str, path: str) -> Iterator[Cause]:
    if whole and schema.get("type") != "object":
        yield invalid(f"{path}.type", schema.get("type") or "", "must be object")
    if level == "root":
        rest = {key: value for key, value in schema.items() if key not in ("type", "description", "default") and value}
        if not set(rest.get("properties") or ()) - {"name", "generateName"}:
            rest.pop("properties", None)
        if rest:
            why = "must not specify anything other than name and generateName, but metadata is implicitly specified"
            yield forbidden(path, why)


def _values(schema: Schema, any_skipped: bool, all_skipped: bool, path: str) -> Iterator[Cause]:
    if not any_skipped:
        for index, each in enumerate(schema.get("anyOf") or ()):
            yield from _nested(each, False, f"{path}.anyOf[{index}]", False)
    for index, each in enumerate(schema.get("allOf") or ()):
        yield from _nested(each, all_skipped and index == 0, f"{path}.allOf[{index}]", False)
    for index, each in enumerate(schema.get("oneOf") or ()):
        yield from _nested(each, False, f"{path}.oneOf[{index}]", False)
    if schema.get("not") is not None:
        yield from _nested(schema["not"], False, f"{path}.not", False)
    if schema.get("pattern"):
        try:
            pattern(schema["pattern"])
        except PatternError as error:
            why = f"must be a valid regular expression, but isn't: error parsing regexp: {error}"
            yield invalid(f"{path}.pattern", schema["pattern"], why)


def _nested(schema: Schema, any_skipped: bool, path: str, rules: bool) -> Iterator[Cause]:
    """A schema in anyOf, allOf, oneOf or not: it may say what values are, not what there is."""
    yield from _values(schema, any_skipped, False, path)
    if isinstance(schema.get("items"), Mapping):
        yield from _nested(schema["items"], False, f"{path}.items", rules)
    for name, each in (schema.get("properties") or {}).items():
        yield from _nested(each, False, at(f"{path}.properties", name), rules)
    for key, why in _NOT_INSIDE.items():
        if schema.get(key):
            yield forbidden(f"{path}.{key}", why)
    if schema.get("x-kubernetes-validations") and not rules:
        yield forbidden(f"{path}.x-kubernetes-validations", "must be empty to be structural")
    if "metadata" in (schema.get("properties") or {}):
        yield forbidden(at(f"{path}.properties", "metadata"), "must not be specified in a nested context")


def _complete(values: Schema, schema: Schema | None, there: str, here: str) -> Iterator[Cause]:
    """Fields named inside of alternatives have to be named outside."""
    for key in ("allOf", "anyOf", "oneOf"):
        for index, each in enumerate(values.get(key) or ()):
            yield from _complete_inside(each, schema, there, f"{here}.{key}[{index}]")
    if values.get("not") is not None:
        yield from _complete_inside(values["not"], schema, there, f"{here}.not")


def _complete_inside(values: Schema, schema: Any, there: str, here: str) -> Iterator[Cause]:
    if not isinstance(schema, Mapping):
        yield required(there, f"because it is defined in {here}")
        return
    yield from _complete(values, schema, there, here)
    if isinstance(values.get("items"), Mapping):
        yield from _complete_inside(values["items"], schema.get("items"), f"{there}.items", f"{here}.items")
    for name, each in (values.get("properties") or {}).items():
        where, inner = at(f"{there}.properties", name), at(f"{here}.properties", name)
        known = (schema.get("properties") or {}).get(name)
        if known is None:
            yield required(where, f"because it is defined in {inner}")
        else:
            yield from _complete_inside(each, known, where, inner)
