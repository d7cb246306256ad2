"""port-forward: SPDY/3.1 in the messages of a WebSocket.

Each connection to a forwarded port is a pair of streams with the same `requestid`: one of `streamtype` error, on which
we say in plain text what went wrong, and one of `streamtype` data.
Source: KEP-4006 (subprotocol SPDY/3.1+portforward.k8s.io) and k8s.io/kubelet/pkg/cri/streaming/portforward.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping

from aiohttp import WSMsgType, web

from sealane.apiserver.streams import spdy
from sealane.apiserver.streams.pods import Streams
from sealane.apiserver.streams.upgrade import upgraded
from sealane.kube.client import ApiError
from sealane.kube.objects import Object

SUBPROTOCOL = "SPDY/3.1+portforward.k8s.io"


async def serve(request: web.BaseRequest, streams: Streams, pod: Object) -> web.StreamResponse:
    """Raises ApiError 400 when the request is not a fitting WebSocket upgrade."""
    socket = await upgraded(request, [SUBPROTOCOL])
    with contextlib.suppress(ConnectionError):
        await _Forwarding(socket, streams, pod).run()
    return socket


class _Pair:
    """A connection to a port: the streams that carry it, and what the client has sent for the pod."""

    def __init__(self, error: int) -> None:
        self.error = error
        self.data = 0
        self.writer: asyncio.StreamWriter | None = None
        self.task: asyncio.Task[None] | None = None
        self.connected = asyncio.Event()


class _Forwarding:
    def __init__(self, socket: web.WebSocketResponse, streams: Streams, pod: Object) -> None:
        self._socket = socket
        self._streams = streams
        self._pod = pod
        self._spdy = spdy.Connection()
        self._pairs: dict[str, _Pair] = {}  # by request id
        self._by_data: dict[int, _Pair] = {}

    async def run(self) -> None:
        """Until the client goes; its connections end with it."""
        try:
            async for message in self._socket:
                if message.type is not WSMsgType.BINARY:
                    break
                for event in self._spdy.receive(message.data):
                    await self._handle(event)
        except spdy.SpdyError:
            await self._socket.close(code=1002)
        finally:
            tasks = [pair.task for pair in self._by_data.values() if pair.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, event: spdy.Event) -> None:
        match event:
            case spdy.Opened(stream, headers):
                await self._opened(stream, headers)
            case spdy.Data(stream, data, fin) if stream in self._by_data:
                pair = self._by_data[stream]
                await pair.connected.wait()
                if pair.writer is not None:
                    with contextlib.suppress(OSError):  # the reading side tells the client
                        if data:
                            pair.writer.write(data)
                            await pair.writer.drain()
                        if fin:
                            pair.writer.write_eof()
            case spdy.Reset(stream) if stream in self._by_data:
                task = self._by_data[stream].task
                if task is not None:
                    task.cancel()
            case spdy.Ping(number):
                await self._socket.send_bytes(spdy.ping(number))

    async def _opened(self, stream: int, headers: Mapping[str, str]) -> None:
        kind, id_ = headers.get("streamtype"), headers.get("requestid", "")
        port = headers.get("port", "")
        known = self._pairs.get(id_)
        valid = port.isdecimal() and 0 < int(port) < 1 << 16
        if not valid or not ((kind == "error" and known is None) or (kind == "data" and known is not None)):
            await self._socket.send_bytes(spdy.reset(stream, spdy.PROTOCOL_ERROR))
            return
        await self._socket.send_bytes(self._spdy.accept(stream))
        if known is None:
            self._pairs[id_] = _Pair(stream)
            return
        pair = self._pairs.pop(id_)
        pair.data = stream
        self._by_data[stream] = pair
        pair.task = asyncio.get_running_loop().create_task(self._carry(pair, int(port)), name="port-forward")

    async def _carry(self, pair: _Pair, port: int) -> None:
        """From the pod to the client, until either ends."""
        problem = ""
        try:
            reader, pair.writer = await self._streams.connect(self._pod.namespace, self._pod.name, port)
            pair.connected.set()
            while data := await reader.read(spdy.MAX_DATA):
                await self._socket.send_bytes(spdy.data(pair.data, data))
        except (ApiError, OSError) as error:
            reason = error.message if isinstance(error, ApiError) else str(error)
            problem = f"error forwarding port {port} to pod {self._pod.name}, uid {self._pod.uid}: {reason}"
        finally:
            pair.connected.set()
            self._by_data.pop(pair.data, None)
            if pair.writer is not None:
                pair.writer.close()
        with contextlib.suppress(ConnectionError):
            if problem:
                await self._socket.send_bytes(spdy.data(pair.error, problem.encode()))
            await self._socket.send_bytes(spdy.data(pair.data, b"", fin=True) + spdy.data(pair.error, b"", fin=True))
