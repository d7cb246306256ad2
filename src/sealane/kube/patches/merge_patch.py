"""JSON merge patch: RFC 7386."""

from __future__ import annotations

from typing import Any


def merge_patch(current: Any, patch: Any) -> Any:
    """The RFC's MergePatch(Target, Patch), without changing either."""
    if not isinstance(patch, dict):
        return patch
    result = dict(current) if isinstance(current, dict) else {}
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        else:
            result[key] = merge_patch(result.get(key), value)
    return result
