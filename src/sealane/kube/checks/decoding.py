"""The API's errors for an object whose values have other types than its fields.

Source: encoding/json (UnmarshalTypeError), as sigs.k8s.io/json words it
"""

from __future__ import annotations

from typing import Any

from sealane.kube import schema
from sealane.kube.checks.integers import go_integer
from sealane.kube.problems import MapKey, Problem

_WORDS = {str: "string", bool: "bool", int: "number", float: "number", list: "array", dict: "object"}
_PLAIN = {"string": "string", "boolean": "bool", "number": "float64", "bytes": "[]uint8", "any": "interface {}"}


def mistyped(api_version: str, kind: str, problem: Problem) -> str:
    """ "json: cannot unmarshal string into Go struct field DeploymentSpec.spec.replicas of type int32"."""
    owner, name = schema.root(api_version, kind), ""
    expression = ""
    for part in problem.path:
        if isinstance(part, int | MapKey):
            expression = expression[2:]
            continue
        if expression:
            owner = schema.named(expression) if expression not in schema.PLAIN else None
        field = owner.fields.get(part) if owner is not None else None
        if owner is None or field is None:
            return f"{problem.field}: {problem.message}"
        name, expression = owner.name, field.type
    last = next((part for part in reversed(problem.path) if isinstance(part, str) and not isinstance(part, MapKey)), "")
    type_ = _in_go(expression, name, str(last))
    if not type_ or not name:
        return f"{problem.field}: {problem.message}"
    path = ".".join(part for part in problem.path if isinstance(part, str) and not isinstance(part, MapKey))
    struct = name.rpartition(".")[2]
    return f"json: cannot unmarshal {_value(problem.got, type_)} into Go struct field {struct}.{path} of type {type_}"


def _value(got: Any, type_: str) -> str:
    word = _WORDS.get(type(got), "null")
    return f"{word} {got}" if word == "number" and type_ in ("int32", "int64") else word


def _in_go(expression: str, owner: str, name: str) -> str:
    """The type of a field in Go; "" for those that read themselves, such as times and quantities."""
    if expression.startswith("[]"):
        inner = _in_go(expression[2:], owner, name)
        return f"[]{inner}" if inner else ""
    if expression.startswith("{}"):
        inner = _in_go(expression[2:], owner, name)
        return f"map[string]{inner}" if inner else ""
    if expression == "integer":
        return go_integer(owner, name)
    if expression == "int-or-string":
        return "int32"  # what is no string is read as a number
    if expression in schema.PLAIN:
        return _PLAIN.get(expression, "")
    return ".".join(expression.split(".")[-2:])
