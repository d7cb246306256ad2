"""Server-side apply: merging what a manager wants into what is there, and remembering who wants which field.

Owned fields are kept for appliers only: plain updates leave no trace in managedFields, so they take a field without a
conflict. Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/ and the field set format FieldsV1 of
sigs.k8s.io/structured-merge-diff.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from sealane.apiserver import errors
from sealane.apiserver.metadata import timestamp
from sealane.kube import schema
from sealane.kube.client import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw
from sealane.kube.schema import Field, Type

Fields = dict[str, Any]
"""A field set: {"f:spec": {"f:replicas": {}, "f:containers": {'k:{"name":"c"}': {".": {}, "f:image": {}}}}}."""

_ITSELF = "."
_NOBODYS = {"f:apiVersion", "f:kind"}  # and the parts of metadata that say which object it is
_IDENTITY = {"f:name", "f:namespace", "f:managedFields", "f:resourceVersion", "f:uid", "f:creationTimestamp"}


def applied(kind: Kind, current: Raw | None, wanted: Raw, manager: str, force: bool) -> Raw:
    """`current` (None: nothing yet) with all that `wanted` says and without what `manager` wanted before and not now.

    Raises ApiError 409 when another applier wants another value of a field, unless `force` takes it.
    """
    root = schema.root(kind.api_version, kind.kind)
    metadata = {key: value for key, value in (wanted.get("metadata") or {}).items() if key != "managedFields"}
    wanted = {**wanted, "metadata": metadata}
    fields = _fields(wanted, root)
    fields = {key: value for key, value in fields.items() if key not in _NOBODYS}
    mine = {key: value for key, value in fields.get("f:metadata", {}).items() if key not in _IDENTITY}
    fields.pop("f:metadata", None)
    if mine:
        fields["f:metadata"] = mine
    entries = list(((current or {}).get("metadata") or {}).get("managedFields") or ())
    before = next((entry for entry in entries if _is(entry, manager)), None)
    others = [entry for entry in entries if not _is(entry, manager)]
    if current is None:
        merged = wanted
    else:
        others = _settled(kind, current, wanted, fields, others, force, root)
        merged = _merge(current, wanted, root)
        gone = _minus((before or {}).get("fieldsV1") or {}, fields)
        for entry in others:
            gone = _minus(gone, entry.get("fieldsV1") or {})
        merged = _without(merged, gone, root)
    entry = {
        "manager": manager,
        "operation": "Apply",
        "apiVersion": kind.api_version,
        "time": timestamp(),
        "fieldsType": "FieldsV1",
        "fieldsV1": fields,
    }
    if before is not None and {**before, "time": entry["time"]} == entry:
        entry = before  # nothing new: the object may stay as it is
    return {**merged, "metadata": {**merged["metadata"], "managedFields": [*others, entry]}}


def _is(entry: Mapping[str, Any], manager: str) -> bool:
    return entry.get("manager") == manager and entry.get("operation") == "Apply" and not entry.get("subresource")


def _settled(
    kind: Kind, current: Raw, wanted: Raw, fields: Fields, others: list[Raw], force: bool, root: Type | None
) -> list[Raw]:
    """The entries of other appliers after `fields` were taken from them. Raises ApiError 409 for conflicts."""
    conflicts: list[tuple[str, str]] = []
    kept: list[Raw] = []
    for entry in others:
        shared = _both(entry.get("fieldsV1") or {}, fields)
        different: Fields = {}
        for path in _leaves(shared):
            if _at(current, path, root) != _at(wanted, path, root):
                conflicts.append((entry.get("manager", ""), _text(path)))
                _put(different, path)
        left = _minus(entry.get("fieldsV1") or {}, different)
        if left:
            kept.append({**entry, "fieldsV1": left})
    if conflicts and not force:
        causes = [
            {"reason": "FieldManagerConflict", "message": f'conflict with "{manager}"', "field": path}
            for manager, path in conflicts
        ]
        count = "1 conflict" if len(conflicts) == 1 else f"{len(conflicts)} conflicts"
        lines = "\n".join(f"- {cause['message']}: {cause['field']}" for cause in causes)
        message = (
            f"Apply failed with {count}: {lines}" if len(conflicts) > 1 else f"Apply failed with {count}: {lines[2:]}"
        )
        raise ApiError(409, "Conflict", message, {"causes": causes, "kind": kind.kind})
    return kept


# Field sets


def _fields(value: Mapping[str, Any], type_: Type | None) -> Fields:
    return {f"f:{name}": _field_set(each, _fact(type_, name)) for name, each in value.items()}


def _field_set(value: Any, fact: Field | None) -> Fields:
    if isinstance(value, Mapping) and value and not _atomic(fact):
        return _fields(value, _type_of(fact))
    if isinstance(value, list) and fact is not None and fact.list_keys:
        type_ = _type_of(fact)
        return {
            f"k:{json.dumps(_key(each, fact), separators=(',', ':'), sort_keys=True)}": {
                _ITSELF: {},
                **_fields(each, type_),
            }
            for each in value
            if isinstance(each, Mapping)
        }
    if isinstance(value, list) and fact is not None and fact.list_type == "set":
        return {f"v:{json.dumps(each)}": {} for each in value}
    return {}


def _minus(one: Fields, other: Fields) -> Fields:
    """What is in `one` and not in `other`."""
    result: Fields = {}
    for key, inner in one.items():
        if key not in other:
            result[key] = inner
        elif inner:
            rest = _minus(inner, other[key])
            if rest:
                result[key] = rest
    return result


def _both(one: Fields, other: Fields) -> Fields:
    """What is in both. An empty map or list says nothing about what another manager has in it."""
    result: Fields = {}
    for key, inner in one.items():
        if key not in other or bool(inner) != bool(other[key]):
            continue
        shared = _both(inner, other[key])
        if shared or not inner:
            result[key] = shared
    return result


def _leaves(fields: Fields, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, inner in fields.items():
        if key == _ITSELF:
            continue
        below = {each: value for each, value in inner.items() if each != _ITSELF}
        if below:
            yield from _leaves(below, (*path, key))
        else:
            yield (*path, key)


def _put(fields: Fields, path: tuple[str, ...]) -> None:
    for key in path:
        fields = fields.setdefault(key, {})


def _text(path: tuple[str, ...]) -> str:
    """ ".spec.containers[name="c"].image" """
    text = ""
    for key in path:
        if key.startswith("k:"):
            text += "[" + ",".join(f"{name}={json.dumps(value)}" for name, value in json.loads(key[2:]).items()) + "]"
        elif key.startswith("v:"):
            text += f"[={key[2:]}]"
        else:
            text += f".{key[2:]}"
    return text


# Values


def _at(value: Any, path: tuple[str, ...], type_: Type | None) -> Any:
    fact: Field | None = None
    for key in path:
        if key.startswith("f:"):
            if not isinstance(value, Mapping):
                return None
            name = key[2:]
            value, fact = value.get(name), _fact(type_, name)
            type_ = _type_of(fact)
        elif key.startswith("k:"):
            wanted = json.loads(key[2:])
            items = value if isinstance(value, list) else []
            value = next((each for each in items if fact is not None and _key(each, fact) == wanted), None)
        else:
            value = key[2:] if isinstance(value, list) and json.loads(key[2:]) in value else None
    return value


def _merge(current: Any, wanted: Any, type_: Type | None) -> Any:
    result = dict(current)
    for name, value in wanted.items():
        result[name] = _merge_value(current.get(name), value, _fact(type_, name))
    return result


def _merge_value(current: Any, wanted: Any, fact: Field | None) -> Any:
    if isinstance(wanted, Mapping) and isinstance(current, Mapping) and not _atomic(fact):
        return _merge(current, wanted, _type_of(fact))
    if not (isinstance(wanted, list) and isinstance(current, list)) or fact is None:
        return wanted
    if fact.list_keys:
        type_ = _type_of(fact)
        wants = [(_key(each, fact), each) for each in wanted]
        result = []
        for each in current:
            index = next((i for i, (key, _) in enumerate(wants) if key == _key(each, fact)), None)
            result.append(each if index is None else _merge(each, wants.pop(index)[1], type_))
        return result + [each for _, each in wants]
    if fact.list_type == "set":
        return current + [each for each in wanted if each not in current]
    return wanted


def _without(value: Any, gone: Fields, type_: Type | None) -> Any:
    """`value` without the fields in `gone`."""
    result = dict(value)
    for key, inner in gone.items():
        name = key[2:]
        if not key.startswith("f:") or name not in result:
            continue
        fact = _fact(type_, name)
        if not inner:
            del result[name]
        elif isinstance(result[name], Mapping):
            result[name] = _without(result[name], inner, _type_of(fact))
        elif isinstance(result[name], list) and fact is not None:
            result[name] = _without_items(result[name], inner, fact)
    return result


def _without_items(items: list[Any], gone: Fields, fact: Field) -> list[Any]:
    result = []
    for item in items:
        if fact.list_keys:
            key = f"k:{json.dumps(_key(item, fact), separators=(',', ':'), sort_keys=True)}"
            if _ITSELF in gone.get(key, {}):
                continue
            item = _without(item, gone.get(key, {}), _type_of(fact))
        elif f"v:{json.dumps(item)}" in gone:
            continue
        result.append(item)
    return result


def _fact(type_: Type | None, name: str) -> Field | None:
    return type_.fields.get(name) if type_ is not None else None


def _type_of(fact: Field | None) -> Type | None:
    if fact is None or fact.element in schema.PLAIN or fact.type.startswith("{}"):
        return None
    return schema.named(fact.element)


def _atomic(fact: Field | None) -> bool:
    return fact is not None and fact.list_type == "atomic"


def _key(item: Mapping[str, Any], fact: Field) -> dict[str, Any]:
    """The values that tell an element from others; protocol is TCP when nobody says."""
    defaults = {"protocol": "TCP"}
    found = {key: item.get(key, defaults.get(key)) for key in fact.list_keys}
    return {key: value for key, value in found.items() if value is not None}


def check_applied(wanted: Any, name: str, manager: str) -> Raw:
    """The body of an apply as an object of this name. Raises ApiError 400."""
    if not isinstance(wanted, dict):
        raise errors.bad_request("the body of an apply patch must be an object")
    if not manager:
        raise ApiError(
            422,
            "Invalid",
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch',
        )
    metadata = wanted.get("metadata")
    metadata = {} if metadata is None else metadata
    if not isinstance(metadata, dict):
        raise errors.bad_request("metadata must be an object")
    if metadata.setdefault("name", name) != name:
        raise errors.bad_request(
            f"the name of the object ({metadata['name']}) does not match the name on the URL ({name})"
        )
    if metadata.get("managedFields"):
        raise errors.bad_request("metadata.managedFields must be nil")
    return {**wanted, "metadata": metadata}
