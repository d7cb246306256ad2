"""Pruning: fields that the schema does not know are removed.

Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/pruning
"""

from __future__ import annotations

from typing import Any

from sealane.kube.structural.node import Node

_META = frozenset({"apiVersion", "kind", "metadata"})


def pruned(node: Node | None, value: Any, unknown: list[str], path: str = "", root: bool = True) -> Any:
    """`value` without unknown fields, whose paths go to `unknown`; the same object when there are none.

    root: this is a whole object, whose apiVersion, kind and metadata are always known.
    """
    if isinstance(value, dict):
        return _pruned_object(node, value, unknown, path, root or (node is not None and node.embedded))
    if isinstance(value, list):
        items = node.items if node is not None else None
        if node is not None and node.open and items is None:
            return value
        made = [pruned(items, each, unknown, f"{path}[{index}]", False) for index, each in enumerate(value)]
        return made if any(new is not old for new, old in zip(made, value, strict=True)) else value
    return value


def _pruned_object(node: Node | None, value: dict[str, Any], unknown: list[str], path: str, whole: bool) -> Any:
    made: dict[str, Any] = {}
    changed = False
    for name, each in value.items():
        if whole and name in _META:
            made[name] = each
            continue
        inner = node.child(name) if node is not None else None
        if inner is not None:
            made[name] = pruned(inner, each, unknown, f"{path}.{name}" if path else name, False)
            changed = changed or made[name] is not each
        elif node is not None and node.open:
            made[name] = each
        else:
            unknown.append(f"{path}.{name}" if path else name)
            changed = True
    return made if changed else value
