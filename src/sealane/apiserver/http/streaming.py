"""A watch over HTTP: every batch goes straight from the commit to the connection, in bytes shared by all watchers.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#efficient-detection-of-changes
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from aiohttp import web

from sealane.apiserver.storage.watch import BEHIND, Batch, Encoding, Watch

BOOKMARK_SECONDS = 60.0
_HIGH = 1 << 18  # bytes that may wait in one connection; the rest waits in the bytes that all watchers share
_RETRY_SECONDS = 0.005
_PATIENCE_SECONDS = 5.0


class _Outlet:
    """The connection to which one watch writes. Keeps the order; holds back what a slow client cannot take yet."""

    def __init__(self, transport: asyncio.Transport, watch: Watch, encoding: Encoding) -> None:
        self._transport = transport
        self._watch = watch
        self._encoding = encoding
        self._held: deque[tuple[memoryview, int]] = deque()  # bytes to write, and how many events they end
        self._count = 0
        self._timer: asyncio.TimerHandle | None = None
        self.fallen_behind = False

    def __call__(self, batch: Batch) -> bool:
        transport = self._transport
        if transport.is_closing():
            return False
        chunk = batch.chunk(self._watch.selection, self._encoding)
        if not self._held and len(chunk) + transport.get_write_buffer_size() <= _HIGH:
            transport.write(chunk)
            return True
        self._held.append((memoryview(chunk), len(batch.events)))
        self._count += len(batch.events)
        self.fallen_behind = self._count > BEHIND
        if self._timer is None:
            self._write_held()
        return not self.fallen_behind

    def _write_held(self) -> None:
        self._timer = None
        transport = self._transport
        while self._held and not transport.is_closing():
            room = _HIGH - transport.get_write_buffer_size()
            if room <= 0:
                break
            data, events = self._held.popleft()
            transport.write(data[:room])
            if len(data) > room:
                self._held.appendleft((data[room:], events))
            else:
                self._count -= events
        if self._held and not transport.is_closing():
            self._timer = asyncio.get_running_loop().call_later(_RETRY_SECONDS, self._write_held)

    @property
    def idle(self) -> bool:
        """Nothing is held back: what is written now comes in its right place."""
        return not self._held

    def close(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._held.clear()


async def pour(
    request: web.BaseRequest,
    response: web.StreamResponse,
    watch: Watch,
    encoding: Encoding,
    timeout: float | None,
    bookmark: Callable[[int], bytes] | None,
) -> None:
    """Writes the events of `watch` until it ends, the client goes, or `timeout` seconds have passed (None: never).

    response: prepared, chunked. bookmark(version): the bytes of a bookmark; None when none are asked for.
    Raises ConnectionError when the client is gone.
    """
    transport = request.transport
    if transport is None:
        raise ConnectionResetError
    outlet = _Outlet(transport, watch, encoding)
    watch.pour(outlet)
    loop = asyncio.get_running_loop()
    end = loop.time() + timeout if timeout else float("inf")
    try:
        while (left := end - loop.time()) > 0:
            if await watch.next(min(left, BOOKMARK_SECONDS)) is None:
                break
            if transport.is_closing():
                raise ConnectionResetError
            if bookmark is not None and left > BOOKMARK_SECONDS and outlet.idle:
                await response.write(bookmark(watch.version))
        version = watch.version  # up to which all has been given to the outlet
        watch.close()
        patience = loop.time() + _PATIENCE_SECONDS
        while not outlet.idle and not outlet.fallen_behind and loop.time() < patience:
            await asyncio.sleep(_RETRY_SECONDS)
        if not outlet.idle:
            # An event is half written, so nothing can be said any more. The client comes back and is told 410.
            transport.abort()
            raise ConnectionResetError
        if bookmark is not None and loop.time() >= end:
            await response.write(bookmark(version))  # so that the next watch begins here (KEP-956)
    finally:
        outlet.close()
