"""The common part of rules about changes: a new state against the old one."""

from __future__ import annotations

from collections.abc import Set
from typing import Any

from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem


def without(raw: Raw | None, names: Set[str]) -> Raw:
    return {key: value for key, value in (raw or {}).items() if key not in names}


def immutable(part: Part) -> Problem:
    """ValidateImmutableField of k8s.io/apimachinery/pkg/api/validation."""
    return part.invalid("field is immutable")


def at(raw: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        raw = raw.get(part) if isinstance(raw, dict) else None
    return raw
