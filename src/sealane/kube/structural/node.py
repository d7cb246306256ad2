"""One place in a structural schema, read once so that walking objects is quick.

Source: apiextensions.k8s.io/v1 JSONSchemaProps in the API reference
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from sealane.kube.cel.names import escaped
from sealane.kube.structural import formats
from sealane.kube.structural.limits import Limit, limits_of

Schema = Mapping[str, Any]
TIMES = frozenset({"date-time", "datetime", "date", "duration", "byte"})
"""Formats whose values are no strings in CEL."""


class _Missing:
    """There is no default. (null is one.)"""


MISSING = _Missing()


@dataclass(frozen=True, slots=True)
class Rule:
    """One of x-kubernetes-validations."""

    rule: str
    message: str = ""
    message_expression: str = ""
    reason: str = ""
    field_path: str = ""
    optional_old_self: bool = False

    @classmethod
    def of(cls, raw: Schema) -> Rule:
        names = ("rule", "message", "messageExpression", "reason", "fieldPath")
        rule, message, expression, reason, path = (str(raw.get(name) or "") for name in names)
        return cls(rule, message, expression, reason, path, bool(raw.get("optionalOldSelf")))


@dataclass(frozen=True, slots=True, eq=False)
class Node:
    """types: what a value may be, () for anything. additional: of the values of a map. open: unknown fields are kept.

    limits: what is checked of a value by itself. above: alternatives (anyOf, oneOf, not, allOf), as nodes of their own.
    The flags below `rules` say what is here or anywhere below, so that walks need not go where there is nothing to do.
    """

    schema: Schema = field(repr=False)
    types: tuple[str, ...] = ()
    format: str = ""
    nullable: bool = False
    properties: Mapping[str, Node] = field(default_factory=dict, repr=False)
    required: tuple[str, ...] = ()
    additional: Node | None = None
    items: Node | None = None
    open: bool = False
    embedded: bool = False
    list_type: str = ""
    keys: tuple[str, ...] = ()
    map_type: str = ""
    default: Any = MISSING
    limits: tuple[Limit, ...] = ()
    all_of: tuple[Node, ...] = ()
    any_of: tuple[Node, ...] = ()
    one_of: tuple[Node, ...] = ()
    negated: Node | None = None
    rules: tuple[Rule, ...] = ()
    has_defaults: bool = False
    has_rules: bool = False
    has_lists: bool = False
    has_embedded: bool = False
    literal: bool = True  # CEL sees values as they are: no names to escape, no times, no floats

    @property
    def type(self) -> str:
        return self.types[0] if len(self.types) == 1 else ""

    @classmethod
    def of(cls, schema: Schema) -> Node:
        """Of a schema that is structural (see `definition`); what is not is read as far as it can be."""
        properties = {name: cls.of(each) for name, each in _objects(schema.get("properties"))}
        additional = schema.get("additionalProperties")
        items = schema.get("items")
        more = cls.of(additional) if isinstance(additional, Mapping) else None
        element = cls.of(items) if isinstance(items, Mapping) else None
        all_of, any_of, one_of = (_nodes(schema.get(key)) for key in ("allOf", "anyOf", "oneOf"))
        negated = schema.get("not")
        int_or_string = bool(schema.get("x-kubernetes-int-or-string"))
        type_ = str(schema.get("type") or "")
        rules = tuple(Rule.of(each) for each in schema.get("x-kubernetes-validations") or () if each.get("rule"))
        below = [each for each in (*properties.values(), more, element) if each is not None]
        list_type = str(schema.get("x-kubernetes-list-type") or "")
        embedded = bool(schema.get("x-kubernetes-embedded-resource"))
        form = formats.known(str(schema.get("format") or ""))
        return cls(
            schema,
            ("integer", "string") if int_or_string else ((type_,) if type_ else ()),
            form,
            bool(schema.get("nullable")),
            properties,
            tuple(schema.get("required") or ()),
            more,
            element,
            bool(schema.get("x-kubernetes-preserve-unknown-fields")) or additional is True,
            embedded,
            list_type,
            tuple(schema.get("x-kubernetes-list-map-keys") or ()),
            str(schema.get("x-kubernetes-map-type") or ""),
            schema.get("default", MISSING),
            limits_of(schema, form),
            all_of,
            any_of,
            one_of,
            cls.of(negated) if isinstance(negated, Mapping) else None,
            rules,
            any(each.default is not MISSING or each.has_defaults for each in below),
            bool(rules) or any(each.has_rules for each in (*below, *all_of)),
            list_type in ("set", "map") or any(each.has_lists for each in below),
            embedded or any(each.has_embedded for each in below),
            type_ != "number"
            and not embedded
            and not (type_ == "string" and schema.get("format") in TIMES)
            and all(escaped(name) == name for name in properties)
            and all(each.literal for each in below),
        )

    def child(self, name: str) -> Node | None:
        """Of the field or key `name`; None when nothing is known about it."""
        return self.properties.get(name) or self.additional


def _objects(value: Any) -> list[tuple[str, Schema]]:
    return [(name, each) for name, each in value.items() if isinstance(each, Mapping)] if value else []


def _nodes(values: Sequence[Schema] | None) -> tuple[Node, ...]:
    return tuple(Node.of(each) for each in values or () if isinstance(each, Mapping))
