"""Strategic merge patch: a merge patch that knows which lists are merged, and by which key.

Source: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
(directives $patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList) and the order of elements that
kube-apiserver gives: elements of the patch in the patch's order, others in the order they have, new ones as early as
both allow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

from sealane.kube.client import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"

_MERGE_KEYS = {
    "conditions": "type",
    "containers": "name",
    "env": "name",
    "ephemeralContainers": "name",
    "hostAliases": "ip",
    "hostIPs": "ip",
    "imagePullSecrets": "name",
    "initContainers": "name",
    "ownerReferences": "uid",
    "podIPs": "ip",
    "ports": "port",
    "secrets": "name",
    "topologySpreadConstraints": "topologyKey",
    "volumeDevices": "devicePath",
    "volumeMounts": "mountPath",
    "volumes": "name",
}
_PRIMITIVE_LISTS = {"finalizers", "podCIDRs"}

Path = tuple[str, ...]
Identity = Callable[[Any], Hashable]


def is_strategic(kind: Kind) -> bool:
    """Whether kind is one of Kubernetes' own: for custom kinds there is no strategic merge."""
    return "." not in kind.group or (kind.group.endswith(".k8s.io") and not kind.group.startswith("gateway."))


def strategic_merge(kind: Kind, current: Raw, patch: Raw) -> Raw:
    """`current` after `patch`. Raises ApiError 400 or 422."""
    return _merge_map(current, patch, ())


def _merge_key(path: Path) -> str | None:
    """The key by which the list at `path` merges; "" for a merged list of primitives; None when it is replaced."""
    field = path[-1]
    if field == "ports" and len(path) > 1 and path[-2] in ("containers", "initContainers", "ephemeralContainers"):
        return "containerPort"
    if field == "ports" and path != ("spec", "ports"):
        return None
    if field == "addresses" and path == ("status", "addresses"):
        return "type"
    if field in _PRIMITIVE_LISTS:
        return ""
    return _MERGE_KEYS.get(field)


def _merge_map(current: Raw, patch: Raw, path: Path) -> Raw:
    match patch.get(_PATCH):
        case None:
            pass
        case "replace":
            return {key: _plain(value, (*path, key)) for key, value in patch.items() if not key.startswith("$")}
        case "delete":
            return {}
        case other:
            raise _bad(f"{_PATCH} {other!r} in {_text(path)}: expected replace or delete")
    result = _retain(dict(current), patch, path)
    for key, value in patch.items():
        if key.startswith("$"):
            if not key.startswith((_ORDER, _DELETE)) and key != _RETAIN:
                raise _bad(f"unknown directive {key!r} in {_text(path)}")
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge_value(result.get(key), value, (*path, key))
    for key, value in patch.items():
        if key.startswith(_ORDER):
            field = key.removeprefix(_ORDER)
            if isinstance(result.get(field), list):
                before = current.get(field) if isinstance(current.get(field), list) else []
                identity = _identity((*path, field))
                result[field] = _ordered(result[field], _list(value, key), before or [], identity)
        elif key.startswith(_DELETE):
            field = key.removeprefix(_DELETE)
            if isinstance(result.get(field), list):
                gone = _list(value, key)
                result[field] = [item for item in result[field] if item not in gone]
    return result


def _merge_value(current: Any, patch: Any, path: Path) -> Any:
    if isinstance(patch, dict):
        return _merge_map(current if isinstance(current, dict) else {}, patch, path)
    if isinstance(patch, list):
        key = _merge_key(path)
        if key is None:
            return [_plain(item, path) for item in patch]
        before = current if isinstance(current, list) else []
        return _merge_maps(before, patch, key, path) if key else _merge_primitives(before, patch, path)
    return patch


def _merge_maps(current: list[Any], patch: list[Any], key: str, path: Path) -> list[Any]:
    identity = _identity(path)
    for item in patch:
        if not isinstance(item, dict):
            raise _unfit(f"{_text(path)}: expected objects with {key!r}")
    if any(item.get(_PATCH) == "replace" for item in patch):
        return [_plain(item, path) for item in patch if _PATCH not in item]
    merged = list(current)
    wanted = []
    for item in patch:
        match item.get(_PATCH):
            case "delete":
                gone = identity(item)
                merged = [each for each in merged if identity(each) != gone]
                continue
            case None:
                pass
            case other:
                raise _bad(f"{_PATCH} {other!r} in {_text(path)}: expected replace or delete")
        wanted.append(item)
        mine = identity(item)
        for position, each in enumerate(merged):
            if identity(each) == mine:
                merged[position] = _merge_map(each, item, path)
                break
        else:
            merged.append(_merge_map({}, item, path))
    return _ordered(merged, wanted, current, identity)


def _merge_primitives(current: list[Any], patch: list[Any], path: Path) -> list[Any]:
    if any(isinstance(item, dict | list) for item in patch):
        raise _unfit(f"{_text(path)}: expected plain values")
    merged = list(dict.fromkeys([*current, *patch]))
    return _ordered(merged, patch, current, _identity(path))


def _ordered(merged: list[Any], order: list[Any], before: list[Any], identity: Identity) -> list[Any]:
    """`merged` with the elements named in `order` in that order, woven into the others, which keep theirs.

    An element of `order` goes before the next other one unless both were there `before` the other way round.
    """
    rank = {identity(item): position for position, item in reversed(list(enumerate(order)))}
    was = {identity(item): position for position, item in reversed(list(enumerate(before)))}
    named = sorted((item for item in merged if identity(item) in rank), key=lambda item: rank[identity(item)])
    others = [item for item in merged if identity(item) not in rank]
    woven: list[Any] = []
    for item in named:
        mine = was.get(identity(item))
        while mine is not None and others and was.get(identity(others[0]), mine) < mine:
            woven.append(others.pop(0))
        woven.append(item)
    return woven + others


def _identity(path: Path) -> Identity:
    key = _merge_key(path)
    if not key:
        return lambda item: item if isinstance(item, Hashable) else repr(item)

    def of(item: Any) -> Hashable:
        if not isinstance(item, dict) or item.get(key) is None:
            raise _unfit(f"{_text(path)}: an element lacks {key!r}, the key by which this list is merged")
        found: Hashable = item[key]
        return found

    return of


def _retain(result: Raw, patch: Raw, path: Path) -> Raw:
    if _RETAIN not in patch:
        return result
    kept = _list(patch[_RETAIN], _RETAIN)
    for key, value in patch.items():
        if value is not None and not key.startswith("$") and key not in kept:
            raise _bad(f"{_text((*path, key))} is set, but not listed in {_RETAIN}")
    return {key: value for key, value in result.items() if key in kept}


def _plain(value: Any, path: Path) -> Any:
    """A value of the patch that replaces what is there: without nulls and directives."""
    if isinstance(value, dict):
        return {
            key: _plain(item, (*path, key))
            for key, item in value.items()
            if item is not None and not key.startswith((_ORDER, _DELETE)) and key not in (_PATCH, _RETAIN)
        }
    return [_plain(item, path) for item in value] if isinstance(value, list) else value


def _list(value: Any, directive: str) -> list[Any]:
    if not isinstance(value, list):
        raise _bad(f"{directive} must be a list")
    return value


def _text(path: Path) -> str:
    return ".".join(path) or "the patch"


def _bad(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def _unfit(message: str) -> ApiError:
    return ApiError(422, "Invalid", message)
