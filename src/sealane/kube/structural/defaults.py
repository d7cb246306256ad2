"""Defaulting: values that the schema fills in, also for nulls where it allows none.

Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/defaulting
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sealane.kube.structural.node import MISSING, Node


def completed(node: Node, value: Any) -> Any:
    """`value` as it is kept: no nulls where none may be, every default filled in."""
    return with_defaults(node, without_nulls(node, value))


def with_defaults(node: Node | None, value: Any) -> Any:
    """`value` with every default of the objects that are there, and of those that defaults put there."""
    if node is None or not node.has_defaults:
        return value
    if isinstance(value, dict):
        made = dict(value)
        for name, inner in node.properties.items():
            if inner.default is MISSING:
                continue
            if name not in made or (made[name] is None and not inner.nullable):
                made[name] = deepcopy(inner.default)
        for name, each in made.items():
            below = node.child(name)
            if each is None and below is not None and below.default is not MISSING and not below.nullable:
                made[name] = deepcopy(below.default)
            made[name] = with_defaults(below, made[name])
        return made
    if isinstance(value, list):
        return [with_defaults(node.items, each) for each in value]
    return value


def without_nulls(node: Node | None, value: Any) -> Any:
    """`value` without nulls that the schema does not allow and has no default for."""
    if isinstance(value, dict):
        made: dict[str, Any] = {}
        for name, each in value.items():
            inner = node.child(name) if node is not None else None
            if each is None:
                if inner is not None and not inner.nullable and inner.default is MISSING:
                    continue
                made[name] = each
            else:
                made[name] = without_nulls(inner, each) if isinstance(each, dict | list) else each
        return made
    if isinstance(value, list):
        items = node.items if node is not None else None
        return [without_nulls(items, each) if isinstance(each, dict | list) else each for each in value]
    return value
