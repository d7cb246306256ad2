"""The difference between one writer's wishes for an object and the object, as a JSON merge patch (RFC 7386)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealane.kube.objects import Raw

Path = tuple[str, ...]


def covers(actual: Any, wanted: Any) -> bool:
    """Is everything of `wanted` in `actual`? Fields that only `actual` has (defaults, others' fields) do not count.

    Lists must have the same length, each item covering its counterpart. A wanted "", 0, False, {} or [] is covered by a
    missing field, because the API may leave out what is empty; a wanted None only by a missing field.
    """
    if isinstance(wanted, Mapping):
        if not isinstance(actual, Mapping):
            return actual is None and all(covers(None, value) for value in wanted.values())
        return all(covers(actual.get(key), value) for key, value in wanted.items())
    if isinstance(wanted, (list, tuple)):
        if actual is None:
            return not wanted
        if not isinstance(actual, (list, tuple)) or len(actual) != len(wanted):
            return False
        return all(covers(one, other) for one, other in zip(actual, wanted, strict=True))
    if actual is None:
        return not wanted
    return bool(actual == wanted)


def difference(actual: Any, wanted: Any, before: Any = None, *, whole: bool = False) -> Any:
    """The merge patch that makes `actual` cover `wanted`, or None when it does.

    before: what was wanted last time; fields that were in it and are not wanted any more are taken out.
    whole: fields that are not wanted are taken out, whoever their writer.
    """
    if not isinstance(wanted, Mapping) or not isinstance(actual, Mapping):
        if whole and (actual or wanted):
            return None if actual == wanted else wanted
        return None if covers(actual, wanted) else wanted
    patch: Raw = {}
    was: Mapping[str, Any] = before if isinstance(before, Mapping) else {}
    for key, value in wanted.items():
        if value is None:
            if actual.get(key) is not None:
                patch[key] = None
            continue
        part = difference(actual.get(key), value, was.get(key), whole=whole)
        if part is not None:
            patch[key] = part
    for key in actual:
        if key not in wanted and (whole or key in was):
            patch[key] = None
    return patch or None


def part(raw: Any, path: Path) -> Any:
    """The value at `path`, or None."""
    for name in path:
        if not isinstance(raw, Mapping):
            return None
        raw = raw.get(name)
    return raw


def nest(value: Any, path: Path) -> Any:
    """`value` under `path`: nest(1, ("a", "b")) is {"a": {"b": 1}}."""
    for name in reversed(path):
        value = {name: value}
    return value


def combine(into: Raw, patch: Mapping[str, Any]) -> None:
    """Puts `patch` into the patch `into`; the two touch different fields."""
    for key, value in patch.items():
        there = into.get(key)
        if isinstance(there, dict) and isinstance(value, Mapping):
            combine(there, value)
        else:
            into[key] = value
