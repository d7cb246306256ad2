"""The gRPC service on a Unix socket that keeps every connected Envoy at the current resources."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import Any

import grpc

from sealane.dataplane.envoy.delta import DeltaStream, Request, Response
from sealane.dataplane.envoy.resources import Resource, resources
from sealane.network.routes.routing import Routing
from sealane.reactive.collections import Change, Source

log = logging.getLogger(__name__)

_SERVICE = "envoy.service.discovery.v3.AggregatedDiscoveryService"


class Server:
    """The ADS server.

    listening: filled with the names ("POD-UID/PORT") of the listeners that accept connections in a connected Envoy.
    """

    def __init__(self, routing: Routing, netns_path: Callable[[str], str], listening: Source[str, bool]) -> None:
        self._listening = listening
        self._resources = resources(routing, netns_path)
        self._streams: dict[DeltaStream, asyncio.Event] = {}
        self._server: Any = None
        self._unsubscribe: list[Callable[[], None]] = []

    async def start(self, path: str) -> None:
        for type_url, collection in self._resources.items():
            self._unsubscribe.append(collection.subscribe(partial(self._changed, type_url), replay=False))
        self._server = grpc.aio.server(options=[("grpc.max_send_message_length", -1)])
        handler = grpc.stream_stream_rpc_method_handler(
            self._stream,
            request_deserializer=Request.FromString,
            response_serializer=Response.SerializeToString,
        )
        self._server.add_generic_rpc_handlers(
            (grpc.method_handlers_generic_handler(_SERVICE, {"DeltaAggregatedResources": handler}),)
        )
        with suppress(FileNotFoundError):
            os.unlink(path)
        self._server.add_insecure_port(f"unix:{path}")
        await self._server.start()
        os.chmod(path, 0o600)

    async def close(self) -> None:
        for unsubscribe in self._unsubscribe:
            unsubscribe()
        if self._server is not None:
            await self._server.stop(0)

    def _changed(self, type_url: str, changes: Sequence[Change[str, Resource]]) -> None:
        for stream, wake in self._streams.items():
            stream.changed(type_url, [change.key for change in changes])
            wake.set()

    async def _stream(self, requests: AsyncIterator[Request], context: Any) -> None:
        stream, wake = DeltaStream(self._resources), asyncio.Event()
        self._streams[stream] = wake
        reader = asyncio.create_task(self._read(stream, wake, requests))
        try:
            while not reader.done():
                await wake.wait()
                wake.clear()
                for response in stream.responses():
                    await context.write(response)
        finally:
            reader.cancel()
            del self._streams[stream]
            self._set_listening()

    async def _read(self, stream: DeltaStream, wake: asyncio.Event, requests: AsyncIterator[Request]) -> None:
        try:
            async for request in requests:
                stream.receive(request)
                self._set_listening()
                wake.set()
        finally:
            wake.set()

    def _set_listening(self) -> None:
        names = {name for stream in self._streams for name in stream.listening}
        if names != set(self._listening):
            self._listening.replace(dict.fromkeys(names, True))
