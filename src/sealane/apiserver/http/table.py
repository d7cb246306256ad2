"""Tables: what the server answers to `kubectl get`, one row an object.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#receiving-resources-as-tables and, for
the columns of custom kinds,
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#additional-printer-columns
"""

from __future__ import annotations

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from typing import Any, Literal

from sealane.apiserver.registry.resources import Column as PrinterColumn
from sealane.apiserver.registry.resources import Served
from sealane.apiserver.storage.values import Stored, encode
from sealane.kube.kinds.ages import since
from sealane.kube.kinds.column import NAME, PLAIN, Cell, Column
from sealane.kube.objects import Raw

Include = Literal["None", "Metadata", "Object"]

_STEP = re.compile(
    r"""\.(?P<name>(?:[\w-]|\0)+)
      | \[(?P<index>-?\d+|\*)\]
      | \[["'](?P<key>[^"']+)["']\]
      | \[\?\(\s*@\.(?P<field>[\w.-]+)\s*==\s*["'](?P<value>[^"']*)["']\s*\)\]""",
    re.VERBOSE,
)


def columns(served: Served) -> Sequence[Column]:
    return _custom(served.columns) if served.custom else served.definition.columns


@lru_cache(maxsize=256)
def _custom(printed: tuple[PrinterColumn, ...]) -> Sequence[Column]:
    if not printed:
        return PLAIN
    return (NAME, *(_printed(each) for each in printed))


def table(served: Served, items: Iterable[Stored], version: int, include: Include) -> Raw:
    """A meta/v1 Table. include: how much of each object goes with its row."""
    shown = columns(served)
    now = time.time()
    return {
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": {"resourceVersion": str(version)} if version else {},
        "columnDefinitions": [_definition(column) for column in shown],
        "rows": [_row(shown, item, now, include) for item in items],
    }


def _row(shown: Sequence[Column], stored: Stored, now: float, include: Include) -> Raw:
    raw = stored.object.raw
    row: Raw = {"cells": [column.cell(raw, now) for column in shown]}
    if include == "Object":
        row["object"] = raw
    elif include == "Metadata":
        metadata = raw["metadata"]
        row["object"] = {"kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": metadata}
    return row


def _definition(column: Column) -> Raw:
    return {
        "name": column.name,
        "type": column.type,
        "format": column.format,
        "description": "",
        "priority": 1 if column.wide else 0,
    }


def _printed(column: PrinterColumn) -> Column:
    steps = _steps(column.path)
    of_date = column.type == "date"

    def cell(raw: Raw, now: float) -> Cell:
        found = list(_find(raw, steps)) if steps is not None else []
        if not found:
            return None if not of_date else "<unknown>"
        if of_date:
            return since(found[0], now)
        first = found[0]
        if column.type == "string":
            return _shown(first)  # of several too: cellForJSONValue is given the first result
        return first if isinstance(first, int | float | bool) else None

    known = column.type if column.type in ("integer", "number", "boolean", "date") else "string"
    return Column(column.name, cell, known, column.priority > 0)  # type: ignore[arg-type]  # one of the five


def _steps(path: str) -> tuple[re.Match[str], ...] | None:
    """The steps of a JSONPath; None for one outside the simple form that printer columns use."""
    text = path.strip().removeprefix("{").removesuffix("}").removeprefix("$").replace("\\.", "\0")
    found: list[re.Match[str]] = []
    position = 0
    while position < len(text):
        step = _STEP.match(text, position)
        if step is None:
            return None
        found.append(step)
        position = step.end()
    return tuple(found)


def _find(value: Any, steps: Sequence[re.Match[str]]) -> Iterable[Any]:
    if not steps:
        return [] if value is None else [value]
    step, *rest = steps
    name = step["name"] or step["key"]
    if name is not None:
        inner = value.get(name.replace("\0", ".")) if isinstance(value, Mapping) else None
        return _find(inner, rest) if inner is not None else []
    if not isinstance(value, list):
        return []
    if step["field"] is not None:
        field = tuple(step["field"].split("."))
        chosen = [each for each in value if _at(each, field) == step["value"]]
    elif step["index"] == "*":
        chosen = value
    else:
        index = int(step["index"])
        chosen = value[index : index + 1 or None]
    return [found for each in chosen for found in _find(each, rest)]


def _at(value: Any, path: Sequence[str]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value


def _shown(value: Any) -> str:
    if isinstance(value, str):
        return value
    return encode(value).decode()
