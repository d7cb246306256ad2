"""exec and attach over a WebSocket.

Source: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/ (connect requests) and
k8s.io/kubelet/pkg/cri/streaming/remotecommand, whose first, empty message tells the client that it is connected.
"""

from __future__ import annotations

import asyncio
import contextlib

import msgspec
from aiohttp import WSMsgType, web

from sealane.apiserver import errors
from sealane.apiserver.requests import flag
from sealane.apiserver.streams import channels
from sealane.apiserver.streams.pods import Command, Program, Streams
from sealane.apiserver.streams.upgrade import upgraded
from sealane.kube.client import ApiError
from sealane.kube.objects import Object

NUMBERS = {channels.STDOUT: "stdout", channels.STDERR: "stderr"}


async def serve(
    request: web.BaseRequest, streams: Streams, what: str, pod: Object, container: str
) -> web.StreamResponse:
    """what: "exec" or "attach". Raises ApiError 400 when the request is not a fitting WebSocket upgrade."""
    query = request.query
    tty, stdin = flag(query, "tty"), flag(query, "stdin")
    wanted = [number for number, name in NUMBERS.items() if flag(query, name) and not (tty and name == "stderr")]
    if not wanted and not stdin:
        raise errors.bad_request("you must specify at least 1 of stdin, stdout, stderr")
    argv = query.getall("command", [])
    if what == "exec" and not argv:
        raise errors.bad_request("you must specify at least one command for the container")
    command = Command(pod.namespace, pod.name, container, argv, stdin, tty)
    socket = await upgraded(request, channels.SUBPROTOCOLS)
    client = _Client(socket)
    try:
        await client.send(wanted[0] if wanted else channels.ERROR, b"")
        try:
            program = await (streams.execute(command) if what == "exec" else streams.attach(command))
        except ApiError as error:
            await client.finish(msgspec.json.encode(channels.failure(error)))
            return socket
        try:
            await _couple(client, program, wanted)
        finally:
            program.close()
    except ConnectionError:
        pass  # the client is gone
    return socket


class _Client:
    def __init__(self, socket: web.WebSocketResponse) -> None:
        self._socket = socket
        self._subprotocol = socket.ws_protocol or channels.BINARY[1]

    async def send(self, channel: int, data: bytes) -> None:
        message = channels.message(self._subprotocol, channel, data)
        if isinstance(message, str):
            await self._socket.send_str(message)
        else:
            await self._socket.send_bytes(message)

    async def finish(self, status: bytes) -> None:
        await self.send(channels.ERROR, status)
        await self._socket.close()

    async def listen(self, program: Program) -> None:
        """Until the client goes."""
        async for message in self._socket:
            if message.type not in (WSMsgType.BINARY, WSMsgType.TEXT):
                return
            match channels.received(self._subprotocol, message.data):
                case channels.Input(data):
                    await program.write(data)
                case channels.EndOfInput():
                    program.end_input()
                case channels.Resize(width, height):
                    program.resize(width, height)


async def _couple(client: _Client, program: Program, wanted: list[int]) -> None:
    async def pump(number: int) -> None:
        while data := await program.read(number):
            if number in wanted:
                await client.send(number, data)

    async def run() -> int:
        try:
            await asyncio.gather(*(pump(number) for number in NUMBERS))
        except ConnectionError:
            program.close()
            raise
        return await program.exit_code()

    listening, running = asyncio.ensure_future(client.listen(program)), asyncio.ensure_future(run())
    try:
        await asyncio.wait((listening, running), return_when=asyncio.FIRST_COMPLETED)
        if running.done():
            try:
                status = channels.exit_status(running.result())
            except ApiError as error:
                status = channels.failure(error)
            listening.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await listening  # `close` waits for the client's answer, and only one may read
            await client.finish(msgspec.json.encode(status))
    finally:
        for task in (listening, running):
            task.cancel()
        await asyncio.gather(listening, running, return_exceptions=True)
