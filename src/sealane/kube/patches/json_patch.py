"""JSON Patch (RFC 6902) with JSON Pointers (RFC 6901)."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import msgspec

from sealane.kube.bounds import DEEPEST, too_deep
from sealane.kube.client.protocol import ApiError

_INDEX = re.compile(r"0|[1-9][0-9]*")
MAX_COPIED = 3 << 20  # bytes of JSON in all copies of one patch: k8s.io/apiserver (JSONPatchMaxCopyBytes)
_ESCAPE = re.compile(r"~(?![01])")


def json_patch(current: Any, operations: Any) -> Any:
    """`current` after all operations. Raises ApiError 400 (malformed) or 422 (does not apply, or a test fails)."""
    if not isinstance(operations, list):
        raise _malformed("a JSON patch must be an array of operations")
    copied = 0
    for number, operation in enumerate(operations):
        where = f"operation {number}"
        if isinstance(operation, dict) and operation.get("op") == "copy":
            copied += _size(_get(current, _pointer(operation, "from", where), where), where)
            if copied > MAX_COPIED:
                why = f"the accumulated size increase of copy is {copied}, exceeding the limit {MAX_COPIED}"
                raise _unfit(f"Unable to complete the copy, {why}")
        current = _apply(current, operation, where)
    if too_deep(current):
        raise _unfit(f"exceeded max depth of {DEEPEST}")
    return current


def _size(value: Any, where: str) -> int:
    """Bytes of its JSON."""
    try:
        return len(msgspec.json.encode(value))
    except RecursionError:
        raise _unfit(f"{where}: exceeded max depth of {DEEPEST}") from None


def _apply(document: Any, operation: Any, where: str) -> Any:
    if not isinstance(operation, dict):
        raise _malformed(f"{where} is not an object")
    op = operation.get("op")
    path = _pointer(operation, "path", where)
    match op:
        case "add":
            return _add(document, path, _value(operation, where), where)
        case "remove":
            return _remove(document, path, where)[0]
        case "replace":
            value = _value(operation, where)
            if not path:
                return value
            return _change(document, path, lambda parent, key: _replaced(parent, key, value, where), where)
        case "move":
            source = _pointer(operation, "from", where)
            if path[: len(source)] == source and len(path) > len(source):
                raise _malformed(f"{where} moves {_text(source)} into itself")
            document, moved = _remove(document, source, where)
            return _add(document, path, moved, where)
        case "copy":
            return _add(document, path, _get(document, _pointer(operation, "from", where), where), where)
        case "test":
            if not _equal(_get(document, path, where), _value(operation, where)):
                raise _unfit(f"{where}: testing path {_text(path)} failed: the value differs")
            return document
        case _:
            raise _malformed(f"{where} has op {op!r}; expected one of add, remove, replace, move, copy, test")


def _pointer(operation: dict[str, Any], member: str, where: str) -> list[str]:
    text = operation.get(member)
    if not isinstance(text, str):
        raise _malformed(f"{where} ({operation.get('op')!r}) needs {member!r}, a JSON pointer")
    if (text and not text.startswith("/")) or _ESCAPE.search(text):
        raise _malformed(f"{where}: {text!r} is not a JSON pointer")
    if text.count("/") > DEEPEST:
        raise _unfit(f"{where}: exceeded max depth of {DEEPEST}")
    return [part.replace("~1", "/").replace("~0", "~") for part in text.split("/")[1:]]


def _value(operation: dict[str, Any], where: str) -> Any:
    if "value" not in operation:
        raise _malformed(f"{where} ({operation['op']!r}) needs a value")
    return operation["value"]


def _get(document: Any, path: list[str], where: str) -> Any:
    for depth, part in enumerate(path):
        if isinstance(document, dict) and part in document:
            document = document[part]
        elif isinstance(document, list):
            document = document[_index(document, part, len(document) - 1, where)]
        else:
            raise _unfit(f"{where}: there is no {_text(path[: depth + 1])}")
    return document


def _change(document: Any, path: list[str], edit: Callable[[Any, str], Any], where: str) -> Any:
    """A copy of `document` in which the parent of `path` is edit(parent, last part); only the way there is copied."""
    first, *rest = path
    if not rest:
        return edit(document, first)
    child = _get(document, [first], where)
    if isinstance(document, dict):
        return {**document, first: _change(child, rest, edit, where)}
    copy = list(document)
    copy[int(first)] = _change(child, rest, edit, where)
    return copy


def _add(document: Any, path: list[str], value: Any, where: str) -> Any:
    def edit(parent: Any, key: str) -> Any:
        if isinstance(parent, dict):
            return {**parent, key: value}
        if isinstance(parent, list):
            index = len(parent) if key == "-" else _index(parent, key, len(parent), where)
            return [*parent[:index], value, *parent[index:]]
        raise _unfit(f"{where}: the parent of {_text(path)} is neither object nor array")

    return value if not path else _change(document, path, edit, where)


def _remove(document: Any, path: list[str], where: str) -> tuple[Any, Any]:
    if not path:
        raise _unfit(f"{where} removes the whole object")
    removed = _get(document, path, where)

    def edit(parent: Any, key: str) -> Any:
        if isinstance(parent, dict):
            return {name: value for name, value in parent.items() if name != key}
        return [*parent[: int(key)], *parent[int(key) + 1 :]]

    return _change(document, path, edit, where), removed


def _replaced(parent: Any, key: str, value: Any, where: str) -> Any:
    _get(parent, [key], where)
    if isinstance(parent, dict):
        return {**parent, key: value}
    return [*parent[: int(key)], value, *parent[int(key) + 1 :]]


def _index(array: list[Any], part: str, last: int, where: str) -> int:
    if not _INDEX.fullmatch(part):
        raise _unfit(f"{where}: {part!r} is not an index of an array")
    if int(part) > last:
        raise _unfit(f"{where}: index {part} is beyond the end of an array of {len(array)}")
    return int(part)


def _equal(one: Any, other: Any) -> bool:
    """Equality of JSON values (RFC 6902 section 4.6), in which true is not 1."""
    if isinstance(one, bool) or isinstance(other, bool):
        return one is other
    if isinstance(one, dict) and isinstance(other, dict):
        return one.keys() == other.keys() and all(_equal(value, other[key]) for key, value in one.items())
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_equal, one, other))
    return bool(one == other)


def _text(path: list[str]) -> str:
    return "".join("/" + part.replace("~", "~0").replace("/", "~1") for part in path) or '""'


def _malformed(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def _unfit(message: str) -> ApiError:
    return ApiError(422, "Invalid", f"the server rejected our request due to an error in our request: {message}")
