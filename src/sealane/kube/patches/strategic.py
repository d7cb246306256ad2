"""Strategic merge patch: a merge patch that knows which lists are merged, and by which key.

Source: https://github.com/kubernetes/community/blob/master/contributors/devel/sig-api-machinery/strategic-merge-patch.md
(directives $patch, $retainKeys, $setElementOrder, $deleteFromPrimitiveList) and the order of elements that
kube-apiserver gives: elements of the patch in the patch's order, others in the order they have, new ones as early as
both allow.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable
from typing import Any

import msgspec

from sealane.kube import kinds, schema
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw
from sealane.kube.schema import Type

_PATCH = "$patch"
_RETAIN = "$retainKeys"
_ORDER = "$setElementOrder/"
_DELETE = "$deleteFromPrimitiveList/"

Identity = Callable[[Any], Hashable]


def is_strategic(kind: Kind) -> bool:
    """Whether kind is one of Kubernetes' own: for custom kinds there is no strategic merge."""
    return kind not in kinds.DEFINED and schema.root(kind.api_version, kind.kind) is not None


def strategic_merge(kind: Kind, current: Raw, patch: Raw) -> Raw:
    """`current` after `patch`. Raises ApiError 400 or 422."""
    return _merge_map(current, patch, _Place((), schema.root(kind.api_version, kind.kind)))


class _Place(msgspec.Struct, frozen=True):
    """Where in the object.

    path: for messages. type: of the object here, or of each element of the list here; None when unknown.
    merge_key: by which the list here merges; "" for plain values; None when it is replaced.
    """

    path: tuple[str, ...]
    type: Type | None
    merge_key: str | None = None

    def child(self, name: str) -> _Place:
        found = self.type.fields.get(name) if self.type is not None else None
        return _Place((*self.path, name), schema.child(self.type, name), found.merge_key if found else None)

    def __str__(self) -> str:
        return ".".join(self.path) or "the patch"


def _merge_map(current: Raw, patch: Raw, place: _Place) -> Raw:
    match patch.get(_PATCH):
        case None:
            pass
        case "replace":
            return {key: _plain(value) for key, value in patch.items() if not key.startswith("$")}
        case "delete":
            return {}
        case other:
            raise _bad(f"{_PATCH} {other!r} in {place}: expected replace or delete")
    result = _retain(dict(current), patch, place)
    for key, value in patch.items():
        if key.startswith("$"):
            if not key.startswith((_ORDER, _DELETE)) and key != _RETAIN:
                raise _bad(f"unknown directive {key!r} in {place}")
            continue
        if value is None:
            result.pop(key, None)
        else:
            result[key] = _merge_value(result.get(key), value, place.child(key))
    for key, value in patch.items():
        if key.startswith(_ORDER):
            field = key.removeprefix(_ORDER)
            if isinstance(result.get(field), list):
                before = current.get(field) if isinstance(current.get(field), list) else []
                identity = _identity(place.child(field))
                result[field] = _ordered(result[field], _list(value, key), before or [], identity)
        elif key.startswith(_DELETE):
            field = key.removeprefix(_DELETE)
            if isinstance(result.get(field), list):
                gone = _list(value, key)
                result[field] = [item for item in result[field] if item not in gone]
    return result


def _merge_value(current: Any, patch: Any, place: _Place) -> Any:
    if isinstance(patch, dict):
        return _merge_map(current if isinstance(current, dict) else {}, patch, place)
    if isinstance(patch, list):
        key = place.merge_key
        if key is None:
            return [_plain(item) for item in patch]
        before = current if isinstance(current, list) else []
        return _merge_maps(before, patch, key, place) if key else _merge_primitives(before, patch, place)
    return patch


def _merge_maps(current: list[Any], patch: list[Any], key: str, place: _Place) -> list[Any]:
    identity = _identity(place)
    for item in patch:
        if not isinstance(item, dict):
            raise _unfit(f"{place}: expected objects with {key!r}")
    if any(item.get(_PATCH) == "replace" for item in patch):
        return [_plain(item) for item in patch if _PATCH not in item]
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
                raise _bad(f"{_PATCH} {other!r} in {place}: expected replace or delete")
        wanted.append(item)
        mine = identity(item)
        for position, each in enumerate(merged):
            if identity(each) == mine:
                merged[position] = _merge_map(each, item, place)
                break
        else:
            merged.append(_merge_map({}, item, place))
    return _ordered(merged, wanted, current, identity)


def _merge_primitives(current: list[Any], patch: list[Any], place: _Place) -> list[Any]:
    if any(isinstance(item, dict | list) for item in patch):
        raise _unfit(f"{place}: expected plain values")
    merged = list(dict.fromkeys([*current, *patch]))
    return _ordered(merged, patch, current, _identity(place))


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


def _identity(place: _Place) -> Identity:
    key = place.merge_key
    if not key:
        return lambda item: item if isinstance(item, Hashable) else repr(item)

    def of(item: Any) -> Hashable:
        if not isinstance(item, dict) or item.get(key) is None:
            raise _unfit(f"{place}: an element lacks {key!r}, the key by which this list is merged")
        found: Hashable = item[key]
        if isinstance(found, dict | list):
            raise _unfit(f"{place}: {key!r}, the key by which this list is merged, must be a plain value")
        return found

    return of


def _retain(result: Raw, patch: Raw, place: _Place) -> Raw:
    if _RETAIN not in patch:
        return result
    kept = _list(patch[_RETAIN], _RETAIN)
    for key, value in patch.items():
        if value is not None and not key.startswith("$") and key not in kept:
            raise _bad(f"{place.child(key)} is set, but not listed in {_RETAIN}")
    return {key: value for key, value in result.items() if key in kept}


def _plain(value: Any) -> Any:
    """A value of the patch that replaces what is there: without nulls and directives."""
    if isinstance(value, dict):
        return {
            key: _plain(item)
            for key, item in value.items()
            if item is not None and not key.startswith((_ORDER, _DELETE)) and key not in (_PATCH, _RETAIN)
        }
    return [_plain(item) for item in value] if isinstance(value, list) else value


def _list(value: Any, directive: str) -> list[Any]:
    if not isinstance(value, list):
        raise _bad(f"{directive} must be a list")
    return value


def _bad(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def _unfit(message: str) -> ApiError:
    return ApiError(422, "Invalid", message)
