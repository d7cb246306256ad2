"""Objects, lists and watch events as the bytes of an answer, in the form that the client asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from sealane.apiserver.resources import Served
from sealane.apiserver.store import Stored, encode
from sealane.apiserver.table import Include, table
from sealane.apiserver.watch import Encoding, Seen, line
from sealane.kube.objects import Raw

PARTIAL = "meta.k8s.io/v1"


@dataclass(frozen=True, slots=True)
class Form:
    """How a client wants objects. include: how much of each object goes with a Table's row."""

    shape: str = "Plain"  # or Table, PartialObjectMetadata
    include: Include = "Metadata"


PLAIN = Form()


def one(form: Form, served: Served, stored: Stored) -> bytes:
    if form.shape == "Table":
        return encode(table(served, [stored], stored.version, form.include))
    return stored.data if form.shape == "Plain" else encode(_partial(stored))


def many(form: Form, served: Served, items: Sequence[Stored], version: int) -> bytes:
    if form.shape == "Table":
        return encode(table(served, items, version, form.include))
    metadata = {"resourceVersion": str(version)}
    if form.shape != "Plain":
        partial = [_partial(item) for item in items]
        kind = "PartialObjectMetadataList"
        return encode({"kind": kind, "apiVersion": PARTIAL, "metadata": metadata, "items": partial})
    head: Raw = {"kind": f"{served.kind.kind}List", "apiVersion": served.kind.api_version, "metadata": metadata}
    return b'%s,"items":[%s]}' % (encode(head)[:-1], b",".join(item.data for item in items))


Convert = Callable[[Served, Stored], Stored]


@lru_cache(maxsize=256)
def watch_line(form: Form, served: Served, converted: Convert) -> Encoding:
    """How to write watch events: the same function for the same arguments, so that watchers share bytes."""
    if form.shape == "Table":

        def as_table(seen: Seen) -> bytes:
            found = table(served, [converted(served, seen.stored)], seen.stored.version, form.include)
            return encode({"type": seen.type, "object": found}) + b"\n"

        return as_table
    if form.shape != "Plain":
        return _partial_line
    if served.kind == served.storage:
        return line
    return lambda seen: line(Seen(seen.type, converted(served, seen.stored)))


def bookmark(form: Form, served: Served, version: int, initial_end: bool = False) -> bytes:
    if form.shape == "Table":
        return encode({"type": "BOOKMARK", "object": table(served, [], version, "None")}) + b"\n"
    metadata: Raw = {"resourceVersion": str(version)}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    kind, api_version = served.kind.kind, served.kind.api_version
    if form.shape != "Plain":
        kind, api_version = "PartialObjectMetadata", PARTIAL
    return (
        encode({"type": "BOOKMARK", "object": {"kind": kind, "apiVersion": api_version, "metadata": metadata}}) + b"\n"
    )


def _partial(stored: Stored) -> Raw:
    return {"kind": "PartialObjectMetadata", "apiVersion": PARTIAL, "metadata": stored.object.raw["metadata"]}


def _partial_line(seen: Seen) -> bytes:
    return encode({"type": seen.type, "object": _partial(seen.stored)}) + b"\n"
