"""metadata.managedFields: the managers of an object's fields, and how ordinary writes change them. Pure.

An object is tracked from its creation over the network, or from its first apply on; earlier fields belong to
"before-first-apply". Objects that the cluster's own controllers create are not tracked until a client applies to them.
Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/ and
k8s.io/apimachinery/pkg/util/managedfields/internal (capmanagers, managedfieldsupdater, skipnonapplied, stripmeta)
"""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress

import msgspec
from msgspec.structs import replace

from sealane.apiserver.errors import bad_request
from sealane.apiserver.objects.fieldsets import FieldSet, Path, Shape, compared, decode, encode, fields_of, tree_of
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

UPDATERS = 10
"""So many managers that update are kept apart; the oldest beyond them become one."""

ANCIENT = "ancient-changes"
_SERVERS = frozenset(
    (
        "name",
        "namespace",
        "uid",
        "creationTimestamp",
        "generation",
        "managedFields",
        "resourceVersion",
        "selfLink",
        "generateName",
        "deletionTimestamp",
        "deletionGracePeriodSeconds",
    )
)
_NOBODYS = frozenset({("f:apiVersion",), ("f:kind",), ("f:metadata",)}) | frozenset(
    ("f:metadata", f"f:{name}") for name in _SERVERS
)
_NOT_CREATED = frozenset({"apiVersion", "kind", "metadata", "status"})


class Entry(msgspec.Struct, frozen=True):
    """One element of metadata.managedFields."""

    manager: str
    operation: str
    api_version: str
    fields: FieldSet
    subresource: str = ""
    time: str = ""

    @property
    def who(self) -> tuple[str, str, str, str]:
        """The key that tells entries apart: an apply by its manager, whatever version it was written in."""
        version = "" if self.operation == "Apply" else self.api_version
        return (self.manager, self.operation, version, self.subresource)

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


def with_entries(raw: Raw, entries: Iterable[Entry], others: Iterable[Raw] = ()) -> Raw:
    """`raw` with those of `entries` that manage anything, in the order in which the API shows them.

    others: elements of managedFields that stay as they are.
    """
    metadata = {key: value for key, value in raw["metadata"].items() if key != "managedFields"}
    kept = [each.raw() for each in entries if each.fields]
    kept.extend(others)
    if kept:
        if len(kept) > 1:
            kept.sort(key=_order)
        metadata["managedFields"] = kept
    return {**raw, "metadata": metadata}


def _order(entry: Raw) -> tuple[str, ...]:
    return tuple(str(entry.get(key) or "") for key in ("operation", "time", "manager", "apiVersion", "subresource"))


def owned(shape: Shape, raw: Raw, subresource: str) -> FieldSet:
    """The fields of `raw` that a write of `subresource` can manage."""
    return _manageable(frozenset(fields_of(shape, raw)), subresource)


def _manageable(fields: FieldSet, subresource: str) -> FieldSet:
    """Source: GetResetFields of the registries: status is written by its subresource, and nothing else is."""
    if subresource == "status":
        return frozenset(path for path in fields if path[0] == "f:status")
    return frozenset(
        path
        for path in fields
        if path[0] != "f:status" and path not in _NOBODYS and path[:2] != ("f:metadata", "f:managedFields")
    )


def created(raw: Raw, sent: Raw, manager: str, shape: Shape, now: str) -> Raw:
    """The new object `raw` with all that `sent` has of it recorded as the work of `manager`.

    sent: what the client wrote, with the defaults of its kind: fields that admission and allocation add have no
    manager.
    """
    parts = {key: value for key, value in raw.items() if key not in _NOT_CREATED}
    metadata = raw["metadata"]
    if any(sent.get(key) != value for key, value in parts.items()):
        fields = owned(shape, raw, "") & fields_of(shape, sent).keys()
        return with_entries(raw, [Entry(manager, "Update", raw["apiVersion"], fields, "", now)])
    tree = tree_of(shape, parts)
    kept = {name: value for name, value in metadata.items() if name not in _SERVERS}
    if kept:
        tree["f:metadata"] = tree_of(shape.field("metadata"), kept)
    if not tree:
        return raw
    entry: Raw = {"manager": manager, "operation": "Update", "apiVersion": raw["apiVersion"], "time": now}
    entry |= {"fieldsType": "FieldsV1", "fieldsV1": tree}
    return {**raw, "metadata": {**metadata, "managedFields": [entry]}}


def updated(old: Raw, new: Raw, manager: str, shape: Shape, *, subresource: str = "", now: str) -> Raw:
    """`new` with what `manager` changed recorded, when `old` is tracked; else `new` as it is.

    A client may write managedFields itself, as kubectl does when it goes over to server-side apply; [{}] ends the
    tracking, and an empty list means nothing.
    """
    managed = old["metadata"].get("managedFields")
    sent = new["metadata"].get("managedFields")
    if sent == [{}]:
        return with_entries(new, [])
    had: list[Raw] = managed or []
    if sent and sent != managed:
        with suppress(ApiError):
            entries_of(new)
            had = sent
    if not had:
        return new if sent is None else with_entries(new, [])
    written, gone = compared(shape, old, new)
    changed = frozenset(written) - _NOBODYS
    lost = changed.union(gone)
    mine = _manageable(changed, subresource)
    me = Entry(manager, "Update", new["apiVersion"], mine, subresource, now)
    # Entries that have nothing where something changed need not be read.
    tops = {path[0] for path in lost}
    near = [each for each in had if len(had) >= UPDATERS or _concerned(each, me, tops)]
    far = [each for each in had if each not in near]
    entries = []
    for each in entries_of({"metadata": {"managedFields": near}}):
        left = each.fields - lost
        if mine and each.who == me.who:
            me = replace(me, fields=left | mine)
        elif left:
            entries.append(replace(each, fields=left))
    return with_entries(new, _capped([*entries, me] if mine else entries), far)


def _concerned(entry: Raw, me: Entry, tops: set[str]) -> bool:
    fields = entry.get("fieldsV1")
    if not isinstance(fields, dict) or not fields or not tops.isdisjoint(fields):
        return True
    return entry.get("manager") == me.manager


def _capped(entries: list[Entry]) -> list[Entry]:
    updates = sorted((each for each in entries if each.operation != "Apply"), key=lambda each: (each.time, each.who))
    if len(updates) <= UPDATERS:
        return entries
    left = len(updates)
    first: dict[str, Entry] = {}
    buckets: dict[str, Entry] = {}
    merged: set[tuple[str, str, str, str]] = set()
    for each in updates:
        if left <= UPDATERS:
            break
        version = each.api_version
        if version not in first:
            first[version] = each
            continue
        before = buckets.get(version, first[version])
        fields: frozenset[Path] = before.fields | each.fields
        buckets[version] = Entry(ANCIENT, "Update", version, fields, "", each.time)
        merged |= {first[version].who, each.who}
        left -= 1
    return [each for each in entries if each.who not in merged] + list(buckets.values())
