"""Server-side apply: who manages which fields of an object, and what an apply makes of it. Pure.

An object is tracked from its first apply on: only then writes by others are recorded beside the applied fields. Fields
that were there before belong to "before-first-apply". An object that was never applied costs nothing.
Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/ and KEP-555
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from sealane.apiserver.errors import bad_request
from sealane.apiserver.fieldsets import (
    FieldSet,
    Path,
    Shape,
    decode,
    dotted,
    encode,
    fields_of,
    merged,
    shape_of,
    without,
)
from sealane.kube.client import ApiError
from sealane.kube.objects import Raw, without_nulls

BEFORE_FIRST_APPLY = "before-first-apply"
_SERVERS = frozenset((f"f:{name}",) for name in ("apiVersion", "kind")) | frozenset(
    ("f:metadata", f"f:{name}")
    for name in (
        "name",
        "namespace",
        "uid",
        "generateName",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
    )
)  # nobody manages these


@dataclass(frozen=True, slots=True)
class Entry:
    """One element of metadata.managedFields."""

    manager: str
    operation: str
    api_version: str
    fields: FieldSet
    subresource: str = ""
    time: str = ""

    @property
    def who(self) -> tuple[str, str, str, str]:
        return (self.manager, self.operation, self.api_version, self.subresource)

    def raw(self) -> Raw:
        found: Raw = {
            "manager": self.manager,
            "operation": self.operation,
            "apiVersion": self.api_version,
            "time": self.time,
            "fieldsType": "FieldsV1",
            "fieldsV1": encode(self.fields),
        }
        return {**found, "subresource": self.subresource} if self.subresource else found


def entries_of(raw: Raw) -> list[Entry]:
    """Raises ApiError 400."""
    found = []
    for each in raw["metadata"].get("managedFields") or ():
        if not each:
            continue
        try:
            fields = decode(each.get("fieldsV1") or {})
        except ValueError as error:
            raise bad_request(f"metadata.managedFields: {error}") from None
        text = [str(each.get(key) or "") for key in ("manager", "operation", "apiVersion", "subresource", "time")]
        found.append(Entry(text[0], text[1], text[2], fields, text[3], text[4]))
    return found


def applied(live: Raw | None, config: Raw, manager: str, *, force: bool, subresource: str = "", now: str) -> Raw:
    """What becomes of `live` (None: there is no object yet) when `manager` applies `config`.

    config: apiVersion, kind, metadata with the object's name, and the fields that the manager wants.
    Raises ApiError 400, and 409 when others manage a field that would change, unless `force` takes it from them.
    """
    if not manager:
        raise bad_request(
            'PatchOptions.meta.k8s.io "" is invalid: fieldManager: Required value: is required for apply patch'
        )
    if (config.get("metadata") or {}).get("managedFields"):
        raise bad_request("metadata.managedFields must be nil")
    config = without_nulls(config)
    shape = shape_of(config["apiVersion"], config["kind"])
    _check_unique(shape, config, ())
    wanted = _owned(shape, config, subresource)
    me = Entry(manager, "Apply", config["apiVersion"], wanted, subresource, now)
    if live is None:
        return _with_entries(config, [me])
    entries = entries_of(live)
    if not entries:
        entries = [Entry(BEFORE_FIRST_APPLY, "Update", live["apiVersion"], _owned(shape, live, subresource), "", now)]
    mine = next((each for each in entries if each.who == me.who), None)
    others = [each for each in entries if each is not mine]
    result = merged(shape, live, _mergeable(config))
    changed = _changed(shape, live, result)
    conflicts = [(each, each.fields & wanted & changed) for each in others]
    conflicts = [(each, fields) for each, fields in conflicts if fields]
    if conflicts and not force:
        raise _conflict(conflicts)
    taken = frozenset[Path]().union(*(fields for _, fields in conflicts))
    others = [replace(each, fields=each.fields - taken) for each in others]
    if mine is not None:
        kept = wanted.union(*(each.fields for each in others))
        above = {path[:end] for path in kept for end in range(1, len(path))}
        result = without(shape, result, mine.fields - kept - above) or {}
        if mine.fields == wanted:
            me = replace(me, time=mine.time)
    return _with_entries(result, [each for each in (*others, me) if each.fields])


def updated(old: Raw, new: Raw, manager: str, *, subresource: str = "", now: str) -> Raw:
    """`new` with what `manager` changed recorded, when `old` is tracked; else `new` as it is.

    A client may send managedFields back only as they were; an empty list, or [{}], ends the tracking.
    """
    managed = old["metadata"].get("managedFields")
    sent = new["metadata"].get("managedFields")
    if not managed or sent in ([], [{}]):
        return new if not sent else _with_entries(new, [])
    shape = shape_of(new["apiVersion"], new["kind"])
    had, has = fields_of(shape, old), fields_of(shape, new)
    gone = frozenset(had.keys() - has.keys())
    changed = frozenset(path for path, value in has.items() if path not in had or had[path] != value) - _SERVERS
    entries = [replace(each, fields=each.fields - gone - changed) for each in entries_of(old)]
    if not changed:
        return _with_entries(new, [each for each in entries if each.fields])
    me = Entry(manager, "Update", new["apiVersion"], changed, subresource, now)
    mine = next((each for each in entries if each.who == me.who), None)
    if mine is not None:
        entries.remove(mine)
        me = replace(me, fields=mine.fields | changed)
    return _with_entries(new, [each for each in (*entries, me) if each.fields])


def _owned(shape: Shape, raw: Raw, subresource: str) -> FieldSet:
    found = frozenset(fields_of(shape, raw)) - _SERVERS
    if subresource == "status":
        return frozenset(path for path in found if path[0] == "f:status")
    return frozenset(path for path in found if path[0] != "f:status" and path[:2] != ("f:metadata", "f:managedFields"))


def _mergeable(config: Raw) -> Raw:
    """Without what only the server writes; name and namespace are the same anyway."""
    metadata = {
        key: value
        for key, value in (config.get("metadata") or {}).items()
        if ("f:metadata", f"f:{key}") not in _SERVERS
    }
    return {**config, "metadata": metadata}


def _changed(shape: Shape, live: Raw, result: Raw) -> FieldSet:
    """What is other in `result`. An empty map or list in place of none at all is no change: the API leaves both out."""
    had = fields_of(shape, live)
    return frozenset(
        path
        for path, value in fields_of(shape, result).items()
        if (had[path] != value if path in had else value not in ({}, []))
    )


def _with_entries(raw: Raw, entries: Sequence[Entry]) -> Raw:
    metadata = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    if entries:
        metadata["managedFields"] = [each.raw() for each in entries]
    return {**raw, "metadata": metadata}


def _conflict(conflicts: Sequence[tuple[Entry, FieldSet]]) -> ApiError:
    causes: list[Raw] = []
    lines: list[str] = []
    for entry, fields in conflicts:
        who = f'"{entry.manager}" using {entry.api_version}'
        if entry.subresource:
            who = f'"{entry.manager}" with subresource "{entry.subresource}" using {entry.api_version}'
        paths = sorted(dotted(path) for path in fields)
        causes += [
            {"reason": "FieldManagerConflict", "message": f"conflict with {who}", "field": path} for path in paths
        ]
        lines.append(f"conflicts with {who}:\n" + "\n".join(f"- {path}" for path in paths))
    if len(causes) == 1:
        text = f"Apply failed with 1 conflict: {causes[0]['message']}: {causes[0]['field']}"
    else:
        text = f"Apply failed with {len(causes)} conflicts: " + "\n".join(lines)
    return ApiError(409, "Conflict", text, {"causes": causes})


def _check_unique(shape: Shape, value: Any, path: Path) -> None:
    """Raises ApiError 400 when two elements of a list have the same keys."""
    if not shape.divisible(value):
        return
    if isinstance(value, list):
        keys = [shape.identity(each) for each in value]
        for key in keys:
            if keys.count(key) > 1:
                raise bad_request(
                    f"failed to create typed patch object: {dotted(path)}: duplicate entries for key {key[2:]}"
                )
        for key, each in zip(keys, value, strict=True):
            _check_unique(shape.element, each, (*path, key))
    else:
        for name, each in value.items():
            _check_unique(shape.field(name), each, (*path, f"f:{name}"))
