"""Objects, lists and watch events as the bytes of an answer, in the form that the client asked for."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from sealane.apiserver.requests import Form
from sealane.apiserver.resources import Served
from sealane.apiserver.store import Stored, encode
from sealane.apiserver.watch import Encoding, Seen, line
from sealane.kube.objects import Raw

PARTIAL = "meta.k8s.io/v1"


def one(form: Form, stored: Stored) -> bytes:
    return stored.data if form == "Plain" else encode(_partial(stored))


def many(form: Form, served: Served, items: Sequence[Stored], version: int) -> bytes:
    if form != "Plain":
        metadata = {"resourceVersion": str(version)}
        partial = [_partial(item) for item in items]
        kind = "PartialObjectMetadataList"
        return encode({"kind": kind, "apiVersion": PARTIAL, "metadata": metadata, "items": partial})
    head = {"kind": f"{served.kind.kind}List", "apiVersion": served.kind.api_version}
    head["metadata"] = {"resourceVersion": str(version)}  # type: ignore[assignment]
    return b'%s,"items":[%s]}' % (encode(head)[:-1], b",".join(item.data for item in items))


def watch_line(form: Form, served: Served, converted: Callable[[Served, Stored], Stored]) -> Encoding:
    """How to write watch events; the same function for equal arguments where bytes can be shared."""
    if form == "Plain" and served.kind == served.storage:
        return line
    if form != "Plain":
        return _partial_line
    return lambda seen: line(Seen(seen.type, converted(served, seen.stored)))


def bookmark(served: Served, version: int, initial_end: bool = False) -> bytes:
    metadata: Raw = {"resourceVersion": str(version), "creationTimestamp": None}
    if initial_end:
        metadata["annotations"] = {"k8s.io/initial-events-end": "true"}
    found = {"kind": served.kind.kind, "apiVersion": served.kind.api_version, "metadata": metadata}
    return encode({"type": "BOOKMARK", "object": found}) + b"\n"


def _partial(stored: Stored) -> Raw:
    return {"kind": "PartialObjectMetadata", "apiVersion": PARTIAL, "metadata": stored.object.raw["metadata"]}


def _partial_line(seen: Seen) -> bytes:
    return encode({"type": seen.type, "object": _partial(seen.stored)}) + b"\n"
