"""Changing JSON without changing it: each function gives a copy, and leaves values of an unexpected type alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from sealane.kube.objects import Raw


def filled(raw: Raw, defaults: Mapping[str, Any]) -> Raw:
    """`raw` with those `defaults` whose key it lacks."""
    missing = {key: value for key, value in defaults.items() if key not in raw}
    return {**raw, **missing} if missing else raw


def inside(raw: Raw, field: str, change: Callable[[Raw], Raw]) -> Raw:
    """`raw` with the object in `field`, if there is one, changed."""
    value = raw.get(field)
    return {**raw, field: change(value)} if isinstance(value, dict) else raw


def each(raw: Raw, field: str, change: Callable[[Raw], Raw]) -> Raw:
    """`raw` with every object of the list in `field`, if there is one, changed."""
    value = raw.get(field)
    if not isinstance(value, list):
        return raw
    return {**raw, field: [change(item) if isinstance(item, dict) else item for item in value]}
