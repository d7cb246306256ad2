"""Objects, lists and watch events as the bytes of an answer, in the form that the client asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import lru_cache
from typing import TYPE_CHECKING, Literal, TypeAlias

import msgspec
from msgspec.structs import replace

from sealane.apiserver.encodings import cbor
from sealane.apiserver.registry.resources import Served
from sealane.apiserver.storage.listing import Page
from sealane.apiserver.storage.values import Stored, encode
from sealane.apiserver.storage.watch import Encoding, Seen, line
from sealane.kube.objects import Raw

if TYPE_CHECKING:
    from sealane.apiserver.http.table import Include

PARTIAL = "meta.k8s.io/v1"

Media: TypeAlias = Literal["json", "yaml", "cbor", "protobuf"]


class Form(msgspec.Struct, frozen=True):
    """The form in which a client wants objects. include: how much of each object goes with a Table's row.

    media: into what the JSON that this module makes is turned at last; watch events come out in it.
    """

    shape: str = "Plain"  # or Table, PartialObjectMetadata
    include: Include = "Metadata"
    media: Media = "json"


PLAIN = Form()

INITIAL_END = "k8s.io/initial-events-end"
_ROW_KIND = {"kind": "PartialObjectMetadata", "apiVersion": PARTIAL}


def one(form: Form, served: Served, stored: Stored) -> bytes:
    if form.shape == "Table":
        return encode(_table(served, [stored], stored.version, form.include))
    return stored.data if form.shape == "Plain" else encode(_partial(stored))


def many(form: Form, served: Served, page: Page) -> bytes:
    if form.shape == "Table":
        found = _table(served, page.items, page.version, form.include)
        return encode({**found, "metadata": _list_metadata(page)})
    metadata = _list_metadata(page)
    if form.shape != "Plain":
        partial = [_partial(item) for item in page.items]
        kind = "PartialObjectMetadataList"
        return encode({"kind": kind, "apiVersion": PARTIAL, "metadata": metadata, "items": partial})
    head: Raw = {"kind": f"{served.kind.kind}List", "apiVersion": served.kind.api_version, "metadata": metadata}
    if not page.items:
        return encode({**head, "items": []})
    pieces = [item.data for item in page.items]
    pieces[0] = b'%s,"items":[%s' % (encode(head)[:-1], pieces[0])
    pieces[-1] += b"]}"
    return b",".join(pieces)  # once: a long list is megabytes


def _list_metadata(page: Page) -> Raw:
    metadata: Raw = {"resourceVersion": str(page.version)}
    if page.token:
        metadata["continue"] = page.token
    if page.remaining is not None:
        metadata["remainingItemCount"] = page.remaining
    return metadata


Convert = Callable[[Served, Stored], Stored]


@lru_cache(maxsize=256)
def watch_line(form: Form, served: Served, converted: Convert) -> Encoding:
    """How to write watch events: the same function for the same arguments, so that watchers share bytes."""
    if form.media != "json":
        in_json = watch_line(replace(form, media="json"), served, converted)
        return lambda seen: framed(form, in_json(seen))
    if form.shape == "Table":

        def as_table(seen: Seen) -> bytes:
            found = _table(served, [converted(served, seen.stored)], seen.stored.version, form.include)
            return encode({"type": seen.type, "object": found}) + b"\n"

        return as_table
    if form.shape != "Plain":
        return _partial_line
    if served.kind == served.storage and not served.since:
        return line
    return lambda seen: line(Seen(seen.type, converted(served, seen.stored)))


def bookmark(form: Form, served: Served, version: int, initial_end: bool = False) -> bytes:
    metadata: Raw = {"resourceVersion": str(version)}
    if initial_end:
        metadata["annotations"] = {INITIAL_END: "true"}
    kind, api_version = served.kind.kind, served.kind.api_version
    if form.shape == "PartialObjectMetadata":
        kind, api_version = "PartialObjectMetadata", PARTIAL
    found: Raw = {"kind": kind, "apiVersion": api_version, "metadata": metadata}
    if form.shape == "Table":
        # As upstream, one row whose object is the bookmark: a Table's own metadata has no annotations.
        found = {**_table(served, [], version, "None"), "rows": [{"cells": [], "object": {**found, **_ROW_KIND}}]}
    return framed(form, encode({"type": "BOOKMARK", "object": found}) + b"\n")


def watch_error(form: Form, status: Raw) -> bytes:
    """The event that ends a watch that cannot go on, or could not begin."""
    return framed(form, encode({"type": "ERROR", "object": status}) + b"\n")


def framed(form: Form, event: bytes) -> bytes:
    """A line of JSON as one event of a stream in the form's media type."""
    if form.media == "json":
        return event
    found = msgspec.json.decode(event)
    if form.media == "cbor":
        return cbor.encode(found)
    from sealane.apiserver.encodings import protobuf_answers

    return protobuf_answers.event(found)


def _partial(stored: Stored) -> Raw:
    return {"kind": "PartialObjectMetadata", "apiVersion": PARTIAL, "metadata": stored.object.raw["metadata"]}


def _partial_line(seen: Seen) -> bytes:
    return encode({"type": seen.type, "object": _partial(seen.stored)}) + b"\n"


def _table(served: Served, items: Iterable[Stored], version: int, include: Include) -> Raw:
    from sealane.apiserver.http.table import table  # every kind's columns: imported when the first person looks

    return table(served, items, version, include)
