"""Server-side apply: how an apply changes an object. Pure.

Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/, KEP-555, sigs.k8s.io/structured-merge-diff
(merge.Updater) and k8s.io/apimachinery/pkg/util/managedfields/internal (conflict, lastapplied…)
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from sealane.apiserver.errors import bad_request
from sealane.apiserver.objects.fieldsets import FieldSet, Path, Shape, compared, dotted, fields_of, merged, without
from sealane.apiserver.objects.ownership import Entry, entries_of, owned, with_entries
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw, without_nulls

BEFORE_FIRST_APPLY = "before-first-apply"
KUBECTL = "kubectl"
LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_SERVERS = frozenset(
    (
        "uid",
        "creationTimestamp",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "name",
        "namespace",
        "generateName",
    )
)


def applied(
    live: Raw | None, config: Raw, manager: str, shape: Shape, *, force: bool, subresource: str = "", now: str
) -> Raw:
    """The object that an apply makes of `live` (None: there is no object yet) when `manager` applies `config`.

    config: apiVersion, kind, metadata with the object's name, and the fields that the manager wants.
    Raises ApiError 400, and 409 when others manage a field that would change, unless `force` takes it from them.
    """
    if (config.get("metadata") or {}).get("managedFields") is not None:
        raise bad_request("metadata.managedFields must be nil")
    config = without_nulls(config)
    _check_unique(shape, config, ())
    wanted = owned(shape, config, subresource)
    me = Entry(manager, "Apply", config["apiVersion"], wanted, subresource, now)
    if live is None:
        return with_entries(config, [me])
    entries = entries_of(live)
    if not entries:
        entries = [Entry(BEFORE_FIRST_APPLY, "Update", live["apiVersion"], owned(shape, live, ""), "", now)]
    mine = next((each for each in entries if each.who == me.who), None)
    others = [each for each in entries if each is not mine]
    result = merged(shape, live, _mergeable(config))
    changed = _changed(shape, live, result)
    conflicts = [(each, each.fields & wanted & changed) for each in others]
    conflicts = [(each, fields) for each, fields in conflicts if fields]
    if conflicts and not force:
        left = conflicts
        if manager == KUBECTL:
            allowed = _last_applied(shape, live)
            left = [(each, fields - allowed) for each, fields in conflicts if fields - allowed]
        if left:
            raise _conflict(left)
    taken = frozenset[Path]().union(*(fields for _, fields in conflicts))
    others = [replace(each, fields=each.fields - taken) if each.fields & taken else each for each in others]
    if mine is not None:
        kept = wanted.union(*(each.fields for each in others))
        # A field stays for parts that other managers own; a list's element only for managers of the element itself.
        above = {path[:end] for path in kept for end in range(1, len(path)) if path[end - 1].startswith("f:")}
        result = without(shape, result, mine.fields - kept - above) or {}
        _, gone = compared(shape, live, result)
        others = [replace(each, fields=each.fields - gone) if each.fields & gone else each for each in others]
        if mine.fields == wanted:
            me = replace(me, time=mine.time)
    if manager == KUBECTL and LAST_APPLIED in ((result.get("metadata") or {}).get("annotations") or {}):
        result = _with_last_applied(result, config)
    return with_entries(result, (*others, me))


def _last_applied(shape: Shape, live: Raw) -> FieldSet:
    """Unchanged fields of the last client-side apply: a server-side apply by kubectl may take it over."""
    text = (live["metadata"].get("annotations") or {}).get(LAST_APPLIED)
    try:
        last = msgspec.json.decode(text) if text else None
    except msgspec.DecodeError:
        last = None
    if not isinstance(last, dict) or last.get("apiVersion") != live["apiVersion"]:
        return frozenset()
    had = fields_of(shape, live)
    return frozenset(path for path, value in fields_of(shape, last).items() if path in had and had[path] == value)


def _with_last_applied(result: Raw, config: Raw) -> Raw:
    """The annotation of client-side apply follows, so that its next run does not undo what is applied now."""
    metadata = config.get("metadata") or {}
    kept = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    plain = {**config, "metadata": {**metadata, "annotations": kept} if "annotations" in metadata else metadata}
    text = msgspec.json.encode(plain, order="sorted").decode() + "\n"
    metadata = result["metadata"]
    return {**result, "metadata": {**metadata, "annotations": {**metadata["annotations"], LAST_APPLIED: text}}}


def _mergeable(config: Raw) -> Raw:
    """Without what only the server writes; name and namespace are the same anyway."""
    metadata = {key: value for key, value in (config.get("metadata") or {}).items() if key not in _SERVERS}
    return {**config, "metadata": metadata}


def _changed(shape: Shape, live: Raw, result: Raw) -> FieldSet:
    """What is other in `result`. An empty map or list in place of none at all is no change: the API leaves both out."""
    written, _ = compared(shape, live, result)
    had = fields_of(shape, live) if any(value in ({}, []) for value in written.values()) else {}
    return frozenset(path for path, value in written.items() if path in had or value not in ({}, []))


def _conflict(conflicts: Sequence[tuple[Entry, FieldSet]]) -> ApiError:
    causes: list[Raw] = []
    lines: list[str] = []
    for entry, fields in sorted(conflicts, key=lambda each: each[0].who):
        who = _said(entry)
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


def _said(entry: Entry) -> str:
    text = msgspec.json.encode(entry.manager).decode()
    if entry.subresource:
        text += f' with subresource "{entry.subresource}"'
    if entry.operation == "Update":
        text += f" using {entry.api_version}" + (f" at {entry.time}" if entry.time else "")
    return text


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
