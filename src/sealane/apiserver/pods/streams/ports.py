"""port-forward: a client's conversation coupled to TCP connections into a pod."""

from __future__ import annotations

import asyncio
import contextlib

from aiohttp import web

from sealane.apiserver import errors
from sealane.apiserver.node_agent import Streams
from sealane.apiserver.pods.streams import portforward, spdy
from sealane.apiserver.pods.streams.portforward import CHANNELS, SPDY_VERSIONS, TUNNEL
from sealane.apiserver.pods.streams.upgrade import Transport, WebSocket, upgraded
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object


async def serve(request: web.BaseRequest, streams: Streams, pod: Object) -> web.StreamResponse:
    """Raises ApiError 400 or 403 when the request is not a fitting upgrade."""
    ports = [text for each in request.query.getall("ports", []) for text in each.split(",")]
    numbers = [number for text in ports if (number := portforward.port_of(text)) is not None]
    if len(numbers) < len(ports):
        wrong = next(text for text in ports if portforward.port_of(text) is None)
        raise errors.bad_request(f'unable to parse "{wrong}" as a port')
    transport = await upgraded(request, [TUNNEL, *CHANNELS] if ports else [TUNNEL], SPDY_VERSIONS)
    conversation: portforward.Conversation = portforward.Pairs()
    if isinstance(transport, WebSocket) and transport.protocol != TUNNEL:
        # A client that names no protocol speaks the first of the old ones, as with kube-apiserver.
        conversation = portforward.PortChannels(transport.protocol or CHANNELS[0], numbers)
    with contextlib.suppress(ConnectionError):
        await _Forwarding(transport, conversation, streams, pod).run()
    return transport.response


class _Connection:
    """To a port of the pod. connected: it is, or it was tried in vain."""

    def __init__(self) -> None:
        self.connected = asyncio.Event()
        self.writer: asyncio.StreamWriter | None = None
        self.task: asyncio.Task[None] | None = None


class _Forwarding:
    def __init__(
        self, transport: Transport, conversation: portforward.Conversation, streams: Streams, pod: Object
    ) -> None:
        self._transport = transport
        self._conversation = conversation
        self._streams = streams
        self._pod = pod
        self._connections: dict[int, _Connection] = {}

    async def run(self) -> None:
        """Until the client goes; its connections end with it."""
        try:
            for event in self._conversation.begin():
                await self._handle(event)
            while (data := await self._transport.receive()) is not None:
                for event in self._conversation.receive(data):
                    await self._handle(event)
        except spdy.SpdyError:
            await self._transport.close(1002)
        finally:
            tasks = [one.task for one in self._connections.values() if one.task is not None]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)

    async def _handle(self, event: portforward.Event) -> None:
        match event:
            case portforward.Send(data):
                await self._transport.send(data)
            case portforward.Connect(id_, port):
                made = self._connections[id_] = _Connection()
                made.task = asyncio.create_task(self._carry(id_, made, port), name="port-forward")
            case portforward.Input(id_, data, end) if id_ in self._connections:
                await _deliver(self._connections[id_], data, end)
            case portforward.Abandon(id_) if id_ in self._connections:
                task = self._connections[id_].task
                if task is not None:
                    task.cancel()

    async def _carry(self, id_: int, connection: _Connection, port: int) -> None:
        """From the pod to the client, until either ends."""
        problem = ""
        try:
            reader, connection.writer = await self._streams.connect(self._pod.namespace, self._pod.name, port)
            connection.connected.set()
            while data := await reader.read(spdy.MAX_DATA):
                await self._transport.send(self._conversation.output(id_, data))
        except (ApiError, OSError) as error:
            reason = error.message if isinstance(error, ApiError) else str(error)
            problem = f"error forwarding port {port} to pod {self._pod.name}, uid {self._pod.uid}: {reason}"
        finally:
            connection.connected.set()
            self._connections.pop(id_, None)
            if connection.writer is not None:
                connection.writer.close()
        with contextlib.suppress(ConnectionError):
            for data in self._conversation.finish(id_, problem):
                await self._transport.send(data)
            if isinstance(self._conversation, portforward.PortChannels) and self._conversation.is_over:
                await self._transport.close()


async def _deliver(connection: _Connection, data: bytes, end: bool) -> None:
    await connection.connected.wait()
    if connection.writer is None:
        return
    # The reading side tells the client. uvloop raises RuntimeError where it has closed the connection meanwhile.
    with contextlib.suppress(OSError, RuntimeError):
        if data:
            connection.writer.write(data)
            await connection.writer.drain()
        if end:
            connection.writer.write_eof()
