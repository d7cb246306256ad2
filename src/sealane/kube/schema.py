"""Schemas: which fields each kind has, of which types. A compact table that tools/facts.py makes from those published.

Reading the table costs about a millisecond, once; a type is prepared when it is first asked for.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from importlib.resources import files
from typing import Any, Literal

import msgspec

Plain = Literal["string", "integer", "number", "boolean", "bytes", "time", "quantity", "int-or-string", "any"]
PLAIN: frozenset[str] = frozenset(
    ("string", "integer", "number", "boolean", "bytes", "time", "quantity", "int-or-string", "any")
)
PythonType = type[Any]
_SIMPLE: Mapping[str, PythonType] = {"string": str, "integer": int, "boolean": bool}
_LIMITS = frozenset(("enum", "pattern", "min", "max", "minLength", "maxLength"))


class Field(msgspec.Struct, frozen=True):
    """One field. `type` is a Plain word or the name of a type, "[]…" for a list and "{}…" for a map of that.

    merge_key: by which a strategic merge patch merges this list; "" for a list of plain values; None: it replaces it.
    simple: the Python type that every value of this field has that is right, when there are no limits; else None.
    list_keys: by which server-side apply tells elements apart. The limits of a list's elements stand with the list.
    """

    name: str
    type: str
    required: bool = False
    enum: tuple[Any, ...] = ()
    pattern: re.Pattern[str] | None = None
    default: Any = None
    minimum: float | None = None
    maximum: float | None = None
    min_length: int | None = None
    max_length: int | None = None
    min_items: int | None = None
    max_items: int | None = None
    merge_key: str | None = None
    list_keys: tuple[str, ...] = ()
    list_type: Literal["", "set", "atomic"] = ""
    simple: PythonType | None = None

    @property
    def element(self) -> str:
        """The type of what a list or map holds, or of the field itself."""
        return self.type.lstrip("[]{}")


class Type(msgspec.Struct, frozen=True):
    name: str
    fields: Mapping[str, Field]
    required: tuple[str, ...] = ()


class _Table(msgspec.Struct, frozen=True):
    kinds: dict[str, str]
    types: dict[str, dict[str, str | tuple[str, dict[str, Any]]]]


@cache
def _table() -> _Table:
    data = (files("sealane.kube") / "facts.json").read_bytes()
    return msgspec.json.decode(data, type=_Table)


def kinds() -> tuple[tuple[str, str], ...]:
    """Every (apiVersion, kind) that has a schema."""
    return tuple((version, kind) for version, _, kind in (key.partition(" ") for key in _table().kinds))


def root(api_version: str, kind: str) -> Type | None:
    """The type of a kind's objects; None when there is no schema for it."""
    name = _table().kinds.get(f"{api_version} {kind}")
    return None if name is None else named(name)


@cache
def named(name: str) -> Type:
    """The type of that name, as `Field.element` gives it. Raises KeyError for a Plain word."""
    facts = _table().types[name]
    fields = {each: _field(each, fact) for each, fact in facts.items()}
    return Type(name, fields, tuple(each.name for each in fields.values() if each.required))


def child(parent: Type | None, name: str) -> Type | None:
    """The type of what is in field `name`, or of its elements; None when that is not an object with known fields."""
    found = parent.fields.get(name) if parent is not None else None
    return None if found is None or found.element in PLAIN else named(found.element)


def _field(name: str, fact: str | tuple[str, dict[str, Any]]) -> Field:
    expression, extras = (fact, {}) if isinstance(fact, str) else fact
    pattern = extras.get("pattern")
    return Field(
        name,
        expression.removesuffix("!"),
        expression.endswith("!"),
        tuple(extras.get("enum", ())),
        re.compile(pattern.replace(r"\x60", "`")) if pattern else None,
        extras.get("default"),
        extras.get("min"),
        extras.get("max"),
        extras.get("minLength"),
        extras.get("maxLength"),
        extras.get("minItems"),
        extras.get("maxItems"),
        extras.get("merge"),
        tuple(extras.get("keys", ())),
        extras.get("list", ""),
        None if extras.keys() & _LIMITS else _SIMPLE.get(expression.removesuffix("!")),
    )
