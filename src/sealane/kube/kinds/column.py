"""A column of `kubectl get`: the parts of the tables of all kinds.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal

from msgspec import Struct

from sealane.kube.kinds.ages import since
from sealane.kube.objects import Raw
from sealane.kube.selectors import LabelSelector

Cell = str | int | float | bool | None
NONE = "<none>"


class Column(Struct, frozen=True):
    """wide: only in `-o wide`. cell(object, now): what it shows; now in seconds since the epoch."""

    name: str
    cell: Callable[[Raw, float], Cell]
    type: Literal["string", "integer", "number", "boolean", "date"] = "string"
    wide: bool = False
    format: str = ""


def spec_of(raw: Raw) -> Mapping[str, Any]:
    return raw.get("spec") or {}


def status_of(raw: Raw) -> Mapping[str, Any]:
    return raw.get("status") or {}


def text(name: str, *path: str, wide: bool = False, absent: str = NONE) -> Column:
    """A column that shows what is at `path`."""

    def cell(raw: Raw, _now: float) -> Cell:
        value: Any = raw
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return absent if value is None or value == "" else str(value)

    return Column(name, cell, wide=wide)


def number(name: str, *path: str, absent: int = 0) -> Column:
    def cell(raw: Raw, _now: float) -> Cell:
        value: Any = raw
        for part in path:
            value = value.get(part) if isinstance(value, Mapping) else None
        return value if isinstance(value, int) else absent

    return Column(name, cell, "integer")


def count(name: str, *fields: str, integer: bool = False) -> Column:
    """A column that shows how many entries these fields have together."""
    return Column(
        name, lambda raw, _now: sum(len(raw.get(field) or ()) for field in fields), "integer" if integer else "string"
    )


def shown(name: str, show: Callable[[Raw], Cell], wide: bool = False) -> Column:
    return Column(name, lambda raw, _now: show(raw), wide=wide)


NAME = Column("Name", lambda raw, _now: raw["metadata"]["name"], format="name")
AGE = Column("Age", lambda raw, now: since(raw["metadata"].get("creationTimestamp"), now))
CREATED = text("Created At", "metadata", "creationTimestamp")
PLAIN: tuple[Column, ...] = (NAME, AGE)
"""For kinds that say nothing themselves."""


def more(items: Sequence[str], shown_items: int = 3) -> str:
    """ "a,b,c + 2 more..." """
    joined = ",".join(items[:shown_items])
    return f"{joined} + {len(items) - shown_items} more..." if len(items) > shown_items else joined or NONE


def selector(raw: Mapping[str, Any] | None) -> str:
    """A label selector as `kubectl get` shows it; <none> when it selects all."""
    found = LabelSelector.of(raw or {})
    return str(found) if found.requirements else NONE


def labels(raw: Mapping[str, str] | None) -> str:
    return ",".join(f"{key}={value}" for key, value in sorted((raw or {}).items())) or NONE


def condition(raw: Raw, type_: str) -> str:
    """The status of a condition; "" without it."""
    found = status_of(raw).get("conditions") or ()
    return next((str(each.get("status")) for each in found if each["type"] == type_), "")


SELECTOR = shown("Selector", lambda raw: selector(spec_of(raw).get("selector")), wide=True)
