"""Schemas and objects of any shape: causes come out, never an exception."""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sealane.kube.structural.defaults import completed
from sealane.kube.structural.definition import schema_causes
from sealane.kube.structural.node import Node
from sealane.kube.structural.prune import pruned
from sealane.kube.structural.typed import wrong_types
from sealane.kube.structural.validate import status_causes, update_causes, validation_causes

NAMES = st.sampled_from(["a", "b", "metadata", "spec", "status", "kind", "x.y", ""])
SCALARS = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=5)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=4), max_leaves=12
)
TYPES = st.sampled_from(["object", "array", "string", "integer", "number", "boolean", "", "null", "odd"])
RULES = st.lists(
    st.fixed_dictionaries(
        {"rule": st.sampled_from(["self == oldSelf", "self.a == 1", "size(self) > 0", "self > 1", "((", "true", "x"])},
        optional={"message": st.text(max_size=3), "fieldPath": st.sampled_from([".a", "['b']", "a["]),
                  "messageExpression": st.sampled_from(["'x'", "1", "self.a", "+"]),
                  "optionalOldSelf": st.booleans()},
    ),
    max_size=2,
)  # fmt: skip


def schemas(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    return st.fixed_dictionaries(
        {},
        optional={
            "type": TYPES,
            "format": st.sampled_from(["ipv4", "date-time", "int32", "byte", "duration", "zzz"]),
            "properties": st.dictionaries(NAMES, inner, max_size=3),
            "items": inner,
            "additionalProperties": inner | st.booleans(),
            "required": st.lists(NAMES, max_size=2),
            "default": JSON,
            "nullable": st.booleans(),
            "enum": st.lists(SCALARS, max_size=2),
            "pattern": st.sampled_from(["^a$", "[", "(?=a)", r"\pL+"]),
            "minimum": st.integers(-3, 3),
            "multipleOf": st.sampled_from([0, 1, 0.1, 2]),
            "maxLength": st.integers(-1, 3),
            "minItems": st.integers(0, 3),
            "anyOf": st.lists(inner, max_size=2),
            "allOf": st.lists(inner, max_size=2),
            "not": inner,
            "x-kubernetes-validations": RULES,
            "x-kubernetes-list-type": st.sampled_from(["map", "set", "atomic", "odd"]),
            "x-kubernetes-list-map-keys": st.lists(NAMES, max_size=2),
            "x-kubernetes-embedded-resource": st.booleans(),
            "x-kubernetes-int-or-string": st.booleans(),
            "x-kubernetes-preserve-unknown-fields": st.booleans(),
        },
    )


SCHEMA = st.recursive(st.just({"type": "string"}) | st.just({}), schemas, max_leaves=6)


@settings(max_examples=150, deadline=None)
@given(SCHEMA, JSON, JSON)
def test_any_schema_and_any_object(schema: Any, new: Any, old: Any) -> None:
    assert list(wrong_types(schema)) == []
    for field, reason, message in schema_causes(schema, "s", True):
        assert isinstance(field, str)
        assert reason
        assert message
    node = Node.of(schema)
    new, old = ({"a": each} if not isinstance(each, dict) else each for each in (new, old))
    unknown: list[str] = []
    made = completed(node, pruned(node, new, unknown))
    warnings: list[str] = []
    for found in (
        validation_causes(node, made),
        update_causes(node, made, old, warnings),
        status_causes(node, made, old, warnings),
    ):
        assert all(len(cause) == 3 for cause in found)


KEYWORDS = (
    *("type", "properties", "items", "enum", "required", "not", "allOf", "pattern", "maximum", "maxLength"),
    "x-kubernetes-validations",
)


@settings(max_examples=150, deadline=None)
@given(st.dictionaries(st.sampled_from(KEYWORDS), JSON, max_size=3))
def test_what_is_no_schema_is_told_so(schema: Any) -> None:
    if not list(wrong_types(schema)):
        schema_causes(schema, "s")
        Node.of(schema)
