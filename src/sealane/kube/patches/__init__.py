"""Patches: the meaning of PATCH, as pure functions of the current JSON and the patch."""

from __future__ import annotations

from typing import Any

from sealane.kube.client.protocol import ApiError, PatchType
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw
from sealane.kube.patches.json_patch import json_patch
from sealane.kube.patches.merge_patch import merge_patch
from sealane.kube.patches.strategic import is_strategic, strategic_merge

__all__ = ["apply_patch", "json_patch", "merge_patch", "strategic_merge"]


def apply_patch(kind: Kind, current: Raw, patch: Any, type: PatchType) -> Raw:  # noqa: A002 - the API's own word
    """`current` after `patch`; shares with `current` what the patch leaves alone, and changes neither.

    type "json" takes a list of operations, "merge" and "strategic" an object. Raises ApiError: 400 for a patch that is
    malformed, 415 for a strategic patch of a custom kind, 422 for one that does not fit the object.
    """
    if type == "json":
        result = json_patch(current, patch)
    elif not isinstance(patch, dict):
        raise ApiError(400, "BadRequest", f"a {type} patch must be a JSON object, got {_json_type(patch)}")
    elif type == "merge":
        result = merge_patch(current, patch)
    elif is_strategic(kind):
        result = strategic_merge(kind, current, patch)
    else:
        raise ApiError(
            415,
            "UnsupportedMediaType",
            f"strategic merge patch is not supported for {kind.kind}.{kind.group}, a custom kind: "
            "the accepted types are application/json-patch+json, application/merge-patch+json",
        )
    if not isinstance(result, dict):
        raise ApiError(422, "Invalid", f"the patch makes the object a JSON {_json_type(result)}")
    return result


def _json_type(value: Any) -> str:
    names = {dict: "object", list: "array", str: "string", bool: "boolean", type(None): "null"}
    return names.get(type(value), "number")
