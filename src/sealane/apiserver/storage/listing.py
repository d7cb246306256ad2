"""Lists in pages, of now or of an earlier version: what ListOptions ask for, and whether they may.

Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/#retrieving-large-results-sets-in-chunks,
https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-get-and-list,
k8s.io/apimachinery/pkg/apis/meta/internalversion/validation and k8s.io/apiserver/pkg/storage (continue.go, errors.go)
"""

from __future__ import annotations

import base64
import binascii
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from heapq import merge
from typing import Literal, NamedTuple

import msgspec

from sealane.apiserver import errors
from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.selection import Selection
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Stored
from sealane.kube.client.protocol import ApiError

Match = Literal["", "Exact", "NotOlderThan"]
Place = tuple[str, str]
"""Namespace and name: the order of a list."""

LATEST = -1
"""As a token's version: whatever there is when it is used."""


class ListOptions(msgspec.Struct, frozen=True):
    """The part of meta/v1 ListOptions that says of which state a list or a watch is. token: `continue`.

    timeout: in seconds; 0 is the server's own. initial_events None: not said.
    """

    version: str = ""
    match: Match = ""
    limit: int = 0
    token: str = ""
    watch: bool = False
    initial_events: bool | None = None
    bookmarks: bool = False
    timeout: int = 0

    @property
    def number(self) -> int:
        """The resourceVersion asked for; 0 for none. Raises ApiError 400."""
        return parsed_version(self.version)


EVERYTHING = ListOptions()


class Page(NamedTuple):
    """remaining: how many objects come after this page; None when that is not told."""

    items: Sequence[Stored]
    version: int
    token: str = ""
    remaining: int | None = None


class _Token(msgspec.Struct):
    v: str = ""
    rv: int = 0
    start: str = ""


def parsed_version(text: str) -> int:
    """Raises ApiError 400 for what is no resourceVersion."""
    if not text:
        return 0
    if not (text.isascii() and text.isdigit() and len(text) < 20):
        why = "value out of range" if text.isdigit() else "invalid syntax"
        quoted = msgspec.json.encode(text).decode()
        raise errors.bad_request(
            f"invalid resource version: resourceVersion: Invalid value: {quoted}: strconv.ParseUint: "
            f"parsing {quoted}: {why}"
        )
    return int(text)


def check(options: ListOptions) -> None:
    """Raises ApiError 422 for options that do not go together."""
    match = options.match
    wrong: list[tuple[str, str, str]] = []

    def forbidden(field: str, why: str) -> None:
        wrong.append((field, "FieldValueForbidden", f"Forbidden: {why}"))

    if options.watch and options.initial_events is not None and match != "NotOlderThan":
        forbidden("resourceVersionMatch", "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan")
    if match:
        if options.watch and options.initial_events is None:
            why = "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided"
            forbidden("resourceVersionMatch", why)
        if not options.watch and not options.version:
            why = "resourceVersionMatch is forbidden unless resourceVersion is provided"
            forbidden("resourceVersionMatch", why)
        if not options.watch and options.token:
            forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
        supported = ("NotOlderThan",) if options.watch else ("Exact", "NotOlderThan", "")
        if match not in supported:
            values = ", ".join(f'"{each}"' for each in sorted(supported))
            why = f'Unsupported value: "{match}": supported values: {values}'
            wrong.append(("resourceVersionMatch", "FieldValueNotSupported", why))
        if options.watch and options.token:
            forbidden("resourceVersionMatch", "resourceVersionMatch is forbidden when continue is provided")
        if not options.watch and match == "Exact" and options.version == "0":
            forbidden("resourceVersionMatch", 'resourceVersionMatch "exact" is forbidden for resourceVersion "0"')
    if not options.watch and options.initial_events is not None:
        forbidden("sendInitialEvents", "sendInitialEvents is forbidden for list")
    if wrong:
        raise errors.invalid_options("ListOptions", *wrong)


def wanted_version(options: ListOptions) -> tuple[int, Place | None]:
    """The version of which a list has to be (LATEST: any from options.number on), and after which place it goes on.

    Raises ApiError 400.
    """
    if options.token:
        version, start = _decoded(options.token)
        if options.version not in ("", "0"):
            raise errors.bad_request("specifying resource version is not allowed when using continue")
        return version, start
    asked = options.number
    exact = options.match == "Exact" or (not options.match and options.limit > 0 and asked > 0)
    return (asked if exact else LATEST), None


def page(store: Store, resource: Resource, selection: Selection, options: ListOptions) -> Page:
    """The page that `options` ask for; the caller has waited until the store has that version.

    Raises ApiError 400, and 410 when what was then is not known any more.
    """
    version, start = wanted_version(options)
    then = store.version if version == LATEST else version
    if not store.history.covers(then):
        raise _too_old(start)
    limit = max(options.limit, 0)
    if not limit and start is None and then == store.version:
        items = store.items(resource, selection.namespace)
        return Page(
            [each for each in items if selection.matches(each.object)] if selection.narrow else list(items), then
        )
    found: list[Stored] = []
    for _, stored in _places(store, resource, selection.namespace, then, start):
        if selection.narrow and not selection.matches(stored.object):
            continue
        if limit and len(found) == limit:
            last = found[-1].object
            place = (last.namespace, last.name)
            remaining = None if selection.narrow else _count(store, resource, selection.namespace, then, place)
            return Page(found, then, _encoded(then, place), remaining)
        found.append(stored)
    return Page(found, then)


def _places(
    store: Store, resource: Resource, namespace: str | None, version: int, after: Place | None
) -> Iterator[tuple[Place, Stored]]:
    """The objects as they were at `version`, in their order, those after `after`."""
    undone = store.history.undone(version, resource) if version < store.version else {}
    if not undone:
        yield from _current(store, resource, namespace, after)
        return
    now = (each for each in _current(store, resource, namespace, after) if Address(resource, *each[0]) not in undone)
    then = sorted(
        ((address.namespace, address.name), stored)
        for address, stored in undone.items()
        if stored is not None
        and namespace in (None, address.namespace)
        and (after is None or (address.namespace, address.name) > after)
    )
    yield from merge(now, then, key=lambda each: each[0])


def _count(store: Store, resource: Resource, namespace: str | None, version: int, after: Place) -> int:
    """The number of objects after a place; counted one by one only where the list is not of now."""
    if version < store.version and store.history.since(version, resource):
        return sum(1 for _ in _places(store, resource, namespace, version, after))
    return sum(len(names) - first for _, names, first in _names(store, resource, namespace, after))


def _names(
    store: Store, resource: Resource, namespace: str | None, after: Place | None
) -> Iterator[tuple[str, Sequence[str], int]]:
    """Namespaces, the sorted names in each, and the index of the first name after `after`."""
    by_namespace = store.namespaces(resource)
    for each in sorted(by_namespace) if namespace is None else (namespace,):
        if not by_namespace.get(each) or (after is not None and each < after[0]):
            continue
        names = store.names(resource, each)
        yield each, names, bisect_right(names, after[1]) if after is not None and each == after[0] else 0


def _current(
    store: Store, resource: Resource, namespace: str | None, after: Place | None
) -> Iterator[tuple[Place, Stored]]:
    by_namespace = store.namespaces(resource)
    for each, names, first in _names(store, resource, namespace, after):
        objects = by_namespace[each]
        for name in names[first:]:
            yield (each, name), objects[name]


def _encoded(version: int, last: Place) -> str:
    start = "/".join(filter(None, last)) + "\0"
    token = msgspec.json.encode(_Token("meta.k8s.io/v1", version, start))
    return base64.urlsafe_b64encode(token).rstrip(b"=").decode()


def _decoded(text: str) -> tuple[int, Place]:
    """Raises ApiError 400."""
    said = "invalid continue token: continue key is not valid"
    try:
        token = msgspec.json.decode(base64.b64decode(text + "=" * (-len(text) % 4), b"-_", validate=True), type=_Token)
    except (ValueError, binascii.Error, msgspec.DecodeError) as error:
        raise errors.bad_request(f"{said}: {error}") from None
    if token.v != "meta.k8s.io/v1":
        raise errors.bad_request(f"{said}: server does not recognize this encoded version {token.v}")
    if token.rv == 0 or token.rv < LATEST:
        raise errors.bad_request(f"{said}: incorrect encoded start resourceVersion (version meta.k8s.io/v1)")
    if not token.start:
        raise errors.bad_request(f"{said}: encoded start key empty (version meta.k8s.io/v1)")
    parts = token.start.removesuffix("\0").split("/")
    if len(parts) > 2 or any(part in ("", ".", "..") for part in parts):
        raise errors.bad_request(f"{said}: {token.start}")
    return token.rv, (parts[0] if len(parts) == 2 else "", parts[-1])


_OLD_TOKEN = (
    "The provided continue parameter is too old to display a consistent list result. You can start a new list without "
    "the continue parameter, or use the continue token in this response to retrieve the remainder of the results. "
    "Continuing with the provided token results in an inconsistent list - objects that were created, modified, or "
    "deleted between the time the first chunk was returned and now may show up in the list."
)


def _too_old(start: Place | None) -> ApiError:
    """A client in the middle of a list may go on, from the same place, with the present objects."""
    if start is None:
        return ApiError(410, "Expired", "The resourceVersion for the provided list is too old.")
    return ApiError(410, "Expired", _OLD_TOKEN, metadata={"continue": _encoded(LATEST, start)})


RETRY_SECONDS = 1


def too_large(version: int, current: int) -> ApiError:
    """The version asked for has not been yet, and did not come while the request waited."""
    cause = {"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}
    details = {"causes": [cause], "retryAfterSeconds": RETRY_SECONDS}
    return ApiError(504, "Timeout", f"Timeout: Too large resource version: {version}, current: {current}", details)
