"""Problems of an object, in Kubernetes' own words and field paths.

Source of the wording: k8s.io/apimachinery/pkg/util/validation/field.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import msgspec

from sealane.kube.gotext import shown as quoted

__all__ = ["FieldPath", "MapKey", "Part", "Problem", "Reason", "path_text", "quoted"]

FieldPath = tuple[str | int, ...]


class MapKey(str):
    """A part of a path that is the key of a map, not the name of a field: it stands in brackets."""

    __slots__ = ()


Reason = Literal[
    "UnknownField",
    "FieldTypeInvalid",
    "UnknownKind",
    "FieldValueInvalid",
    "FieldValueRequired",
    "FieldValueNotSupported",
    "FieldValueDuplicate",
    "FieldValueForbidden",
    "FieldValueNotFound",
    "FieldValueTooLong",
    "FieldValueTooMany",
]

_PLAIN_NAME = re.compile(r"[A-Za-z_$][\w$-]*")


class Problem(msgspec.Struct, frozen=True):
    """One thing that is wrong.

    path: the field, () for the whole object. message: without the path, e.g. "Invalid value: 70000: must be …".
    expected, got: for callers that render it otherwise. nearest: the right name of what looks like a slip, or "".
    """

    path: FieldPath
    message: str
    reason: Reason = "FieldValueInvalid"
    expected: str = ""
    got: Any = None
    nearest: str = ""

    @property
    def undecodable(self) -> bool:
        """Whether the API refuses the object before looking at what it says (400 instead of 422)."""
        return self.reason in ("UnknownField", "FieldTypeInvalid", "UnknownKind")

    @property
    def field(self) -> str:
        return path_text(self.path)

    def __str__(self) -> str:
        return f"{self.field}: {self.message}" if self.path else self.message


def path_text(path: FieldPath) -> str:
    """("spec", "ports", 0, "port") -> "spec.ports[0].port"; a key that is no plain name stands in brackets."""
    text = ""
    for part in path:
        if isinstance(part, int):
            text += f"[{part}]"
        elif not isinstance(part, MapKey) and _PLAIN_NAME.fullmatch(part):
            text += f".{part}" if text else part
        else:
            text += f"[{part if part.isprintable() else quoted(part)}]"
    return text


class Part:
    """A value and where it stands. Reading is forgiving: absent parts and parts of another type read as empty.

    So rules say only what they are about, and leave wrong types to the check of types.
    """

    __slots__ = ("path", "value")

    def __init__(self, value: Any, path: FieldPath = ()) -> None:
        self.value = value
        self.path = path

    def __getitem__(self, key: str) -> Part:
        return Part(self.value.get(key) if isinstance(self.value, dict) else None, (*self.path, key))

    def at(self, key: str) -> Part:
        """The value of a map at `key`."""
        return Part(self.value.get(key) if isinstance(self.value, dict) else None, (*self.path, MapKey(key)))

    def __contains__(self, key: str) -> bool:
        return isinstance(self.value, dict) and self.value.get(key) is not None

    def each(self, key: str) -> list[Part]:
        """The elements of the list in field `key`."""
        found = self[key]
        if not isinstance(found.value, list):
            return []
        return [Part(item, (*found.path, index)) for index, item in enumerate(found.value)]

    def items(self) -> Iterator[tuple[str, Any]]:
        if isinstance(self.value, dict):
            yield from ((key, value) for key, value in self.value.items() if isinstance(key, str))

    def text(self, key: str, default: str = "") -> str:
        found = self[key].value
        return found if isinstance(found, str) else default

    def number(self, key: str) -> int | None:
        found = self[key].value
        return found if isinstance(found, int) and not isinstance(found, bool) else None

    @property
    def present(self) -> bool:
        return self.value is not None

    @property
    def empty(self) -> bool:
        """Absent, "", [] or {}."""
        return self.value is None or (isinstance(self.value, str | list | dict) and not self.value)

    def invalid(self, why: str, got: Any = None) -> Problem:
        got = self.value if got is None else got
        return Problem(self.path, f"Invalid value: {quoted(got)}: {why}", "FieldValueInvalid", got=got)

    def required(self, why: str = "") -> Problem:
        return Problem(self.path, f"Required value{': ' if why else ''}{why}", "FieldValueRequired")

    def duplicate(self) -> Problem:
        return Problem(self.path, f"Duplicate value: {quoted(self.value)}", "FieldValueDuplicate", got=self.value)

    def forbidden(self, why: str) -> Problem:
        return Problem(self.path, f"Forbidden: {why}", "FieldValueForbidden", got=self.value)

    def not_found(self) -> Problem:
        return Problem(self.path, f"Not found: {quoted(self.value)}", "FieldValueNotFound", got=self.value)

    def not_supported(self, allowed: Sequence[Any], nearest: str = "") -> Problem:
        words = ", ".join(quoted(each) for each in allowed)
        hint = f"; did you mean {quoted(nearest)}?" if nearest else ""
        message = f"Unsupported value: {quoted(self.value)}: supported values: {words}{hint}"
        return Problem(self.path, message, "FieldValueNotSupported", words, self.value, nearest)
