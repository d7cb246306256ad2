"""The keywords that a schema may use, and how they go together.

Source: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from sealane.kube.cel.costs import Cost
from sealane.kube.cel.environment import CelError
from sealane.kube.gotext import shown
from sealane.kube.structural.estimates import Total, rule_cost
from sealane.kube.structural.estimates import more as more_often
from sealane.kube.structural.fieldpaths import walk
from sealane.kube.structural.limits import Cause
from sealane.kube.structural.node import Node, Rule
from sealane.kube.structural.paths import at
from sealane.kube.structural.rules import checker, type_of
from sealane.kube.structural.structure import forbidden, invalid, required

Schema = Mapping[str, Any]
_TYPES = ("array", "boolean", "integer", "null", "number", "object", "string")
_UNSUPPORTED = {
    "id": "id is not supported",
    "additionalItems": "additionalItems is not supported",
    "patternProperties": "patternProperties is not supported",
    "definitions": "definitions is not supported",
    "dependencies": "dependencies is not supported",
    "$ref": "$ref is not supported",
}
_REASONS = ("FieldValueDuplicate", "FieldValueForbidden", "FieldValueInvalid", "FieldValueRequired")
_META = frozenset({"metadata", "kind", "apiVersion"})


@dataclass(frozen=True, slots=True)
class _Place:
    """no_defaults: why no default may stand here. in_metadata: inside of an object's apiVersion, kind or metadata.

    loose: the first place above whose parts do not correlate between two states, where oldSelf cannot be.
    often: how many values of an object are here at most; None for no bound.
    """

    no_defaults: str = ""
    in_metadata: bool = False
    loose: str = ""
    rules: bool = True
    often: Cost | None = 1


def keyword_causes(schema: Schema, path: str, rules: bool) -> list[Cause]:
    """rules: whether CEL rules are compiled; they are where the schema is structural."""
    causes, late = list[Cause](), _Late()
    _visit(schema, path, _Place(rules=rules), True, causes, late)
    return [*causes, *late.causes, *late.total.causes(path)]


@dataclass(frozen=True, slots=True)
class _Late:
    """The errors of rules, which come after all others, and what rules can cost together."""

    causes: list[Cause] = field(default_factory=list)
    total: Total = field(default_factory=Total)


def _visit(schema: Schema, path: str, place: _Place, root: bool, causes: list[Cause], late: _Late) -> None:
    before = len(causes)
    causes += _own(schema, path, place)
    inner: list[tuple[Schema, str, _Place]] = []
    more, properties = schema.get("additionalProperties"), schema.get("properties") or {}
    if more is not None and properties:
        causes.append(
            forbidden(f"{path}.additionalProperties", "additionalProperties and properties are mutual exclusive")
        )
    if isinstance(more, Mapping):
        below = replace(place, often=more_often(place.often, schema.get("maxProperties")))
        if place.in_metadata:
            below = replace(below, no_defaults="inside additionalProperties applying to object metadata")
        inner.append((more, f"{path}.additionalProperties", below))
    for name, each in properties.items():
        below = place
        if schema.get("x-kubernetes-map-type") == "atomic" and not place.loose:
            below = replace(below, loose=path)
        if (root or schema.get("x-kubernetes-embedded-resource")) and name in _META:
            below = replace(below, in_metadata=True)
            if root:
                below = replace(below, no_defaults=f"in top-level {name}")
        inner.append((each, at(f"{path}.properties", name), below))
    quiet = replace(place, rules=False)
    if isinstance(schema.get("not"), Mapping):
        inner.append((schema["not"], f"{path}.not", quiet))
    for key in ("allOf", "oneOf", "anyOf"):
        inner += [(each, f"{path}.{key}[{index}]", quiet) for index, each in enumerate(schema.get(key) or ())]
    items = schema.get("items")
    if isinstance(items, Mapping):
        below = replace(place, often=more_often(place.often, schema.get("maxItems")))
        if schema.get("x-kubernetes-list-type") != "map" and not place.loose:
            below = replace(below, loose=path)
        inner.append((items, f"{path}.items", below))
    for each, where, below in inner:
        _visit(each, where, below, False, causes, late)
    causes += _lists(schema, path)
    causes += _rules(schema, path)
    if place.rules and schema.get("x-kubernetes-validations") and len(causes) == before:
        late.causes.extend(_compiled(schema, path, place, late.total))


def _own(schema: Schema, path: str, place: _Place) -> Iterator[Cause]:
    type_ = schema.get("type") or ""
    if type_ and type_ not in _TYPES:
        yield _unsupported(f"{path}.type", type_, _TYPES)
    if "default" in schema and place.no_defaults:
        yield forbidden(f"{path}.default", f"must not be set {place.no_defaults}")
    for key, why in _UNSUPPORTED.items():
        if schema.get(key):
            yield forbidden(f"{path}.{key}", why)
    if type_ == "null":
        yield forbidden(f"{path}.type", "type cannot be set to null, use nullable as an alternative")
    if isinstance(schema.get("items"), list):
        yield forbidden(f"{path}.items", "items must be a schema object and not an array")
    if place.in_metadata and schema.get("x-kubernetes-embedded-resource"):
        yield forbidden(f"{path}.x-kubernetes-embedded-resource", "must not be used inside of resource meta")
    if schema.get("uniqueItems"):
        why = "uniqueItems cannot be set to true since the runtime complexity becomes quadratic"
        yield forbidden(f"{path}.uniqueItems", why)
    if schema.get("x-kubernetes-preserve-unknown-fields") is False:
        yield invalid(f"{path}.x-kubernetes-preserve-unknown-fields", False, "must be true or undefined")
    for key, needs, choices in (
        ("x-kubernetes-map-type", "object", ("atomic", "granular")),
        ("x-kubernetes-list-type", "array", ("atomic", "set", "map")),
    ):
        found = schema.get(key)
        if found is None:
            continue
        if type_ != needs:
            why = f"must be {needs} if {key} is specified"
            yield invalid(f"{path}.type", type_, why) if type_ else required(f"{path}.type", why)
        if found not in choices:
            yield _unsupported(f"{path}.{key}", found, choices)


def _unsupported(path: str, value: Any, choices: tuple[str, ...]) -> Cause:
    words = ", ".join(f'"{each}"' for each in choices)
    return (path, "FieldValueNotSupported", f"Unsupported value: {shown(value)}: supported values: {words}")


def _lists(schema: Schema, path: str) -> Iterator[Cause]:
    kind, keys = schema.get("x-kubernetes-list-type"), schema.get("x-kubernetes-list-map-keys") or []
    items = schema.get("items")
    if schema.get("type") == "array" and kind == "set" and isinstance(items, Mapping):
        why = "must be atomic as item of a list with x-kubernetes-list-type=set"
        if items.get("type") == "array" and items.get("x-kubernetes-list-type", "atomic") != "atomic":
            yield invalid(f"{path}.items.x-kubernetes-list-type", items["x-kubernetes-list-type"], why)
        elif items.get("type") == "object" and items.get("x-kubernetes-map-type") != "atomic":
            yield invalid(f"{path}.items.x-kubernetes-map-type", items.get("x-kubernetes-list-type"), why)
    where = f"{path}.x-kubernetes-list-map-keys"
    if keys and kind != "map":
        why = "must be map if x-kubernetes-list-map-keys is non-empty"
        place = f"{path}.x-kubernetes-list-type"
        yield required(place, why) if kind is None else invalid(place, kind, why)
    if kind == "map":
        if not keys:
            yield required(where, "must not be empty if x-kubernetes-list-type is map")
        if items is None:
            yield required(f"{path}.items", "must have a schema if x-kubernetes-list-type is map")
        elif isinstance(items, Mapping) and items.get("type") != "object":
            why = "must be object if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{path}.items.type", items.get("type") or "", why)
        elif isinstance(items, Mapping):
            yield from _keys(items, keys, path)
    if kind in ("map", "set") and isinstance(items, Mapping) and items.get("nullable"):
        yield forbidden(f"{path}.items.nullable", f"cannot be nullable when x-kubernetes-list-type is {kind}")


def _keys(items: Schema, keys: list[str], path: str) -> Iterator[Cause]:
    properties, where = items.get("properties") or {}, f"{path}.x-kubernetes-list-map-keys"
    seen: set[str] = set()
    for key in keys:
        if key not in properties:
            yield invalid(where, keys, "entries must all be names of item properties")
        elif properties[key].get("type") in ("array", "object"):
            place = at(f"{path}.items.properties", key)
            why = "must be a scalar type if parent array's x-kubernetes-list-type is map"
            yield invalid(f"{place}.type", items.get("type"), why)
        if key in seen:
            yield invalid(where, keys, "must not contain duplicate entries")
        seen.add(key)
    for key in keys:
        if key not in properties:
            continue
        place = at(f"{path}.items.properties", key)
        if key not in (items.get("required") or ()) and properties[key].get("default") is None:
            why = "this property is in x-kubernetes-list-map-keys, so it must have a default or be a required property"
            yield required(f"{place}.default", why)
        if properties[key].get("nullable"):
            why = "this property is in x-kubernetes-list-map-keys, so it cannot be nullable"
            yield forbidden(f"{place}.nullable", why)


def _rules(schema: Schema, path: str) -> Iterator[Cause]:
    for index, raw in enumerate(schema.get("x-kubernetes-validations") or ()):
        where = f"{path}.x-kubernetes-validations[{index}]"
        message, text = str(raw.get("message") or ""), str(raw.get("rule") or "").strip()
        if not text:
            yield required(f"{where}.rule", "rule is not specified")
        elif message and not message.strip():
            yield invalid(f"{where}.message", message, "must be non-empty if specified")
        elif _breaks(message.strip()):
            yield invalid(f"{where}.message", message, "must not contain line breaks")
        elif _breaks(text) and not message.strip():
            yield required(f"{where}.message", "message must be specified if rule contains line breaks")
        expression = raw.get("messageExpression") or ""
        if expression and not expression.strip():
            yield required(f"{where}.messageExpression", "messageExpression must be non-empty if specified")
        reason = raw.get("reason")
        if reason is not None and reason not in _REASONS:
            yield _unsupported(f"{where}.reason", reason, _REASONS)
        place = raw.get("fieldPath") or ""
        if place and not place.strip():
            yield invalid(f"{where}.fieldPath", place, "must be non-empty if specified")
        if _breaks(place):
            yield invalid(f"{where}.fieldPath", place, "must not contain line breaks")
        if place:
            try:
                walk(schema, place)
            except ValueError:
                yield invalid(f"{where}.fieldPath", place, "must be a valid path")


def _breaks(text: str) -> bool:
    return "\n" in text or "\r" in text


def _compiled(schema: Schema, path: str, place: _Place, total: Total) -> Iterator[Cause]:
    type_ = type_of(Node.of({key: schema[key] for key in ("type", "format") if key in schema}))
    if schema.get("x-kubernetes-int-or-string"):
        type_ = "dyn"
    node = Node.of(schema)
    for index, raw in enumerate(schema["x-kubernetes-validations"]):
        where, rule = f"{path}.x-kubernetes-validations[{index}]", Rule.of(raw)
        try:
            found = checker(replace(rule, message_expression=""), type_)
        except CelError as error:
            yield invalid(f"{where}.rule", dict(raw), f"compilation failed: {error}")
            continue
        yield from total.add(f"{where}.rule", "rule", rule_cost(found.program, node, place.often))
        if rule.message_expression:
            try:
                message = checker(rule, type_).message
                if message is not None:
                    cost = rule_cost(message, node, 1)
                    yield from total.add(f"{where}.messageExpression", "messageExpression", cost)
            except CelError as error:
                why = f"messageExpression compilation failed: {error}"
                yield invalid(f"{where}.messageExpression", dict(raw), why)
        if found.uses_old and place.loose:
            why = f"oldSelf cannot be used on the uncorrelatable portion of the schema within {place.loose}"
            yield invalid(f"{where}.rule", rule.rule, why)
        elif not found.uses_old and raw.get("optionalOldSelf") is not None:
            why = "may not be set if oldSelf is not used in rule"
            yield invalid(f"{where}.optionalOldSelf", raw["optionalOldSelf"], why)
