"""Kinds that upstream defines by CustomResourceDefinition: their defaults are those that their schemas state.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from copy import deepcopy
from typing import Any

from sealane.kube import schema
from sealane.kube.kinds import Kind
from sealane.kube.kinds.definition import Definition, Rule
from sealane.kube.objects import Raw
from sealane.kube.schema import Type


def by_schema(raw: Raw) -> Raw:
    """`raw` with the defaults that the schema of its kind and version states."""
    found = schema.root(raw.get("apiVersion", ""), raw.get("kind", ""))
    return _structural(raw, found) if found is not None else raw


def _structural(raw: Raw, found: Type) -> Raw:
    """`raw` with the defaults of every object that is there, and of those that defaults put there."""
    result = dict(raw)
    for name, field in found.fields.items():
        if name not in result:
            if field.default is None:
                continue
            result[name] = deepcopy(field.default)
        if field.element not in schema.PLAIN:
            result[name] = _below(result[name], schema.named(field.element))
    return result


def _below(value: Any, found: Type) -> Any:
    if isinstance(value, list):
        return [_structural(item, found) if isinstance(item, dict) else item for item in value]
    return _structural(value, found) if isinstance(value, dict) else value


def rows(kinds: Iterable[Kind], checks: Mapping[str, Rule] = {}) -> tuple[Definition, ...]:
    """A row for each of such kinds, given in all their versions, the stored one first. checks: by the kind's name.

    Their columns are those of their CustomResourceDefinition.
    """
    stored = {(kind.group, kind.kind): kind for kind in reversed(tuple(kinds))}
    return tuple(
        Definition(kind=kind, defaults=by_schema, checks=checks.get(kind.kind), generation=True, conditional=True)
        for kind in stored.values()
    )
