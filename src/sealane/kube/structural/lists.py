"""Lists that are sets or maps: no element, or no key, twice.

Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/listtype
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from sealane.kube.gotext import shown
from sealane.kube.structural.limits import Cause
from sealane.kube.structural.node import Node
from sealane.kube.structural.paths import at, field


def list_causes(node: Node, value: Any, path: str = "") -> Iterator[Cause]:
    if not node.has_lists:
        return
    if isinstance(value, dict):
        for name, each in value.items():
            inner = node.properties.get(name)
            if inner is not None:
                yield from list_causes(inner, each, field(path, name))
            elif node.additional is not None:
                yield from list_causes(node.additional, each, at(path, name))
    elif isinstance(value, list):
        if node.list_type == "set":
            for index in _repeated(value):
                yield _duplicate(f"{path}[{index}]", value[index])
        elif node.list_type == "map":
            yield from _map_causes(node, value, path)
        if node.items is not None and node.items.has_lists:
            for index, each in enumerate(value):
                yield from list_causes(node.items, each, f"{path}[{index}]")


def _map_causes(node: Node, value: list[Any], path: str) -> Iterator[Cause]:
    for index, each in enumerate(value):
        if each is not None and not isinstance(each, dict):
            why = f"Invalid value: {shown(each)}: must be an object for an array of list-type map"
            yield (f"{path}[{index}]", "FieldValueInvalid", why)
            return
    keys = [{key: each[key] for key in node.keys if key in each} if each else {} for each in value]
    for index in _repeated(keys):
        yield _duplicate(f"{path}[{index}]", keys[index])


def _duplicate(path: str, value: Any) -> Cause:
    return (path, "FieldValueDuplicate", f"Duplicate value: {shown(value)}")


def _repeated(values: list[Any]) -> Iterator[int]:
    """The place where a value stands for the second time; a third time is not told."""
    if len(values) < 2:
        return
    seen: dict[str, int] = {}
    for index, each in enumerate(values):
        text = json.dumps(each, sort_keys=True)
        seen[text] = seen.get(text, 0) + 1
        if seen[text] == 2:
            yield index
