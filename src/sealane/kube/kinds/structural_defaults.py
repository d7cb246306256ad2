"""Defaults that a structural schema states.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#defaulting
"""

from __future__ import annotations

from copy import deepcopy
from typing import Any

from sealane.kube import schema
from sealane.kube.objects import Raw
from sealane.kube.schema import Type


def structural(raw: Raw, found: Type) -> Raw:
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
        return [structural(item, found) if isinstance(item, dict) else item for item in value]
    return structural(value, found) if isinstance(value, dict) else value
