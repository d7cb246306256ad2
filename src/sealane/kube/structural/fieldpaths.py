"""JSON paths of definitions that have to lead to a known field: fieldPath of a rule, selectableFields.

Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel (ValidFieldPath)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

_TOKENS = re.compile(r"'(?:\\.|[^'\\])*'|[.\[\]]|[^.\[\]']+")
_ESCAPED = re.compile(r"\\(.)")


def steps(path: str, brackets: bool = True) -> tuple[str, ...]:
    """The names that a path goes through: ".spec.size" or ".spec['a.b']". Raises ValueError with the reason."""
    tokens = _TOKENS.findall(path)
    found: list[str] = []
    while tokens:
        token = tokens.pop(0)
        if token == ".":
            if not tokens:
                raise ValueError("unexpected end of JSON path")
            found.append(tokens.pop(0))
        elif token == "[":
            if not brackets:
                raise ValueError("array notation is not allowed")
            if len(tokens) < 2:
                raise ValueError("unexpected end of JSON path")
            name, end = tokens.pop(0), tokens.pop(0)
            if len(name) < 2 or name[0] != "'" or name[-1] != "'":
                raise ValueError(f"expected single quoted string but got {name}")
            if end != "]":
                raise ValueError(f"expected ] but got {end}")
            found.append(_ESCAPED.sub(r"\1", name[1:-1]))
        else:
            raise ValueError(f"expected [ or . but got: {token}")
    return tuple(found)


def walk(schema: Mapping[str, Any], path: str, brackets: bool = True) -> Mapping[str, Any]:
    """The schema at the end of `path`. Raises ValueError with the reason when there is none."""
    for name in steps(path, brackets):
        properties, more = schema.get("properties"), schema.get("additionalProperties")
        if properties:
            if name not in properties:
                raise ValueError("does not refer to a valid field")
            schema = properties[name]
        elif isinstance(more, Mapping):
            schema = more
        else:
            raise ValueError("does not refer to a valid field")
    return schema
