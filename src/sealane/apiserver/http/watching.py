"""A watch over HTTP, from its options to its last event.

Sources: https://kubernetes.io/docs/reference/using-api/api-concepts/#semantics-for-watch, KEP-3157 (streaming lists),
KEP-956 (bookmarks) and k8s.io/apiserver/pkg/storage/cacher: what is wrong with the version asked for is told as an
event of type ERROR in a watch that has begun.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from functools import partial

from aiohttp import web

from sealane.apiserver.api import Api
from sealane.apiserver.http import render, streaming
from sealane.apiserver.http.render import Form
from sealane.apiserver.reading import converted
from sealane.apiserver.registry.resources import Served
from sealane.apiserver.storage import listing
from sealane.apiserver.storage.listing import ListOptions
from sealane.apiserver.storage.watch import Encoding, Seen, Watch
from sealane.kube.client.protocol import ApiError

SHORTEST = 1800.0
"""Seconds; a watch that names no timeoutSeconds lasts between this and twice as long (--min-request-timeout)."""

_TYPES = {
    "json": "application/json",
    "cbor": "application/cbor-seq",
    "protobuf": "application/vnd.kubernetes.protobuf;stream=watch",
}


async def serve(
    request: web.BaseRequest,
    api: Api,
    served: Served,
    namespace: str | None,
    options: ListOptions,
    form: Form,
    labels: str,
    fields: str,
) -> web.StreamResponse:
    """Answers until the watch ends. Raises ApiError 400 for selectors that cannot be read."""
    response = web.StreamResponse(headers={"Content-Type": _TYPES[form.media], "Cache-Control": "no-cache, private"})
    response.enable_chunked_encoding()
    version = options.number
    initial = options.initial_events is True or (options.initial_events is None and version == 0)
    api.check_selectors(served.kind, namespace, labels, fields)  # refused before anything is said
    encoding = render.watch_line(form, served, converted)
    watch: Watch | None = None
    try:
        try:
            if version and not await api.store.reached(version):
                raise listing.too_large(version, api.store.version)
            # From here to the watch nothing waits: so nothing comes between what is told first and what follows.
            first = b""
            start = version or api.store.version
            if initial:
                first, start = _initial(api, served, namespace, options, form, encoding, labels, fields)
            watch = api.watch(served.kind, namespace, resource_version=start, labels=labels, fields=fields)
        except ApiError as error:
            first = render.watch_error(form, error.status())
        await response.prepare(request)
        if first:
            await response.write(first)
        if watch is not None:
            await _pour(request, response, watch, encoding, options, form, served)
        await response.write_eof()
    except ConnectionError:
        pass  # the client is gone
    finally:
        if watch is not None:
            watch.close()
    return response


def _initial(
    api: Api,
    served: Served,
    namespace: str | None,
    options: ListOptions,
    form: Form,
    encoding: Encoding,
    labels: str,
    fields: str,
) -> tuple[bytes, int]:
    """Everything that there is, as if it had just been made, and the version of this state."""
    items, version = api.list(served.kind, namespace, labels=labels, fields=fields)
    first = b"".join([encoding(Seen("ADDED", item)) for item in items])
    if options.bookmarks:
        first += render.bookmark(form, served, version, initial_end=True)
    return first, version


async def _pour(
    request: web.BaseRequest,
    response: web.StreamResponse,
    watch: Watch,
    encoding: Encoding,
    options: ListOptions,
    form: Form,
    served: Served,
) -> None:
    timeout = options.timeout or SHORTEST * (1 + random.random())
    bookmark: Callable[[int], bytes] | None = partial(render.bookmark, form, served) if options.bookmarks else None
    try:
        await streaming.pour(request, response, watch, encoding, timeout, bookmark)
    except ApiError as error:
        await response.write(render.watch_error(form, error.status()))
