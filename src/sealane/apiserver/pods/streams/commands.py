"""exec and attach: a client's conversation coupled to a program.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (connect requests).
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Iterable

from aiohttp import web

from sealane.apiserver import errors
from sealane.apiserver.node_agent import Command, Program, Streams
from sealane.apiserver.pods.streams import channels, spdy
from sealane.apiserver.pods.streams.remotecommand import (
    SPDY_VERSIONS,
    Channels,
    Conversation,
    Event,
    Ready,
    Send,
    SpdyStreams,
    Wanted,
)
from sealane.apiserver.pods.streams.upgrade import Transport, WebSocket, upgraded
from sealane.apiserver.requests import flag
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object, Raw

READY_SECONDS = 30.0
"""How long a client may take to open its streams, as in kubelets."""


async def serve(
    request: web.BaseRequest, streams: Streams, what: str, pod: Object, container: str
) -> web.StreamResponse:
    """what: "exec" or "attach". Raises ApiError 400 or 403 when the request is not a fitting upgrade."""
    query = request.query
    tty = flag(query, "tty")
    wanted = Wanted(flag(query, "stdin"), flag(query, "stdout"), flag(query, "stderr") and not tty, tty)
    if not wanted.names:
        raise errors.bad_request("you must specify at least 1 of stdin, stdout, stderr")
    argv = query.getall("command", [])
    if what == "exec" and not argv:
        raise errors.bad_request("you must specify at least one command for the container")
    command = Command(pod.namespace, pod.name, container, argv, wanted.stdin, tty)
    transport = await upgraded(request, channels.SUBPROTOCOLS, SPDY_VERSIONS)
    client = _Client(transport, _conversation(transport, wanted))
    with contextlib.suppress(ConnectionError, spdy.SpdyError):  # the client is gone, or speaks something else
        if await client.ready():
            await _run(client, streams, what, command, wanted)
    return transport.response


def _conversation(transport: Transport, wanted: Wanted) -> Conversation:
    if isinstance(transport, WebSocket):
        return Channels(transport.protocol, wanted)
    return SpdyStreams(transport.protocol, wanted)


class _Client:
    def __init__(self, transport: Transport, conversation: Conversation) -> None:
        self._transport = transport
        self._conversation = conversation
        self._early: list[Event] = []  # what came before a program was there

    async def ready(self) -> bool:
        """Whether the program may start; False when the client has gone or opens too few streams."""
        if await self._prepared(self._conversation.begin()):
            return True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(READY_SECONDS):
                while (data := await self._transport.receive()) is not None:
                    if await self._prepared(self._conversation.receive(data)):
                        return True
        return False

    async def _prepared(self, events: Iterable[Event]) -> bool:
        is_ready = False
        for event in events:
            if isinstance(event, Send):
                await self._transport.send(event.data)
            elif isinstance(event, Ready):
                is_ready = True
            else:
                self._early.append(event)
        return is_ready

    async def events(self) -> AsyncIterator[Event]:
        """The client's input to the program, until the client goes."""
        for event in self._early:
            yield event
        while (data := await self._transport.receive()) is not None:
            for event in self._conversation.receive(data):
                if isinstance(event, Send):
                    await self._transport.send(event.data)
                else:
                    yield event

    async def output(self, number: int, data: bytes) -> None:
        await self._transport.send(self._conversation.output(number, data))

    async def finish(self, status: Raw) -> None:
        await self._transport.send(self._conversation.finish(status))
        await self._transport.close()


async def _run(client: _Client, streams: Streams, what: str, command: Command, wanted: Wanted) -> None:
    try:
        program = await (streams.execute(command) if what == "exec" else streams.attach(command))
    except ApiError as error:
        await client.finish(channels.failure(error))
        return
    try:
        await _couple(client, program, wanted)
    finally:
        program.close()


async def _listen(client: _Client, program: Program) -> None:
    async for event in client.events():
        match event:
            case channels.Input(data):
                await program.write(data)
            case channels.EndOfInput():
                program.end_input()
            case channels.Resize(width, height):
                program.resize(width, height)


async def _couple(client: _Client, program: Program, wanted: Wanted) -> None:
    async def pump(number: int) -> None:
        while data := await program.read(number):
            if wanted.takes(number):
                await client.output(number, data)

    async def run() -> int:
        try:
            await asyncio.gather(*(pump(number) for number in (channels.STDOUT, channels.STDERR)))
        except ConnectionError:
            program.close()
            raise
        return await program.exit_code()

    listening, running = asyncio.ensure_future(_listen(client, program)), asyncio.ensure_future(run())
    try:
        await asyncio.wait((listening, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            try:
                status = channels.exit_status(running.result())
            except ApiError as error:
                status = channels.failure(error)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening  # to close waits for the client's answer, and only one may read
            await client.finish(status)
    finally:
        for task in (listening, running):
            task.cancel()
        await asyncio.gather(listening, running, return_exceptions=True)
