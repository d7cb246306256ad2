"""When and how Envoy is served: nothing is imported, opened or started before the first listener exists."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from sealane.network.routes.model.l4 import OpenPort, PortKey
from sealane.network.routes.routing import Routing
from sealane.reactive.collections import Change, Source

if TYPE_CHECKING:
    from sealane.dataplane.envoy.server import Server


async def serve(
    routing: Routing,
    path: str,
    netns_path: Callable[[str], str],
    *,
    on_needed: Callable[[], None] = lambda: None,
    listening: Source[str, bool] | None = None,
) -> None:
    """Serves `routing` to Envoy on the Unix socket `path`, from the first listener on, until cancelled.

    netns_path: from a pod's UID to the path of its network namespace, as Envoy sees it.
    on_needed: called once, when there is a listener: time to start Envoy, which tries until the socket is open.
    listening: filled with the names ("POD-UID/PORT") of the listeners that accept connections.

    Call this when all sources of `routing` are filled: what is missing here is removed from an Envoy that reconnects.
    """
    await _first(routing)
    graph = routing.hosts.graph
    on_needed()
    # gRPC and protobuf take 0.2 s to import: while Envoy starts, and in a thread, so that the event loop goes on.
    server = await asyncio.to_thread(_load)
    running = server(routing, netns_path, Source(graph, "envoy.listening") if listening is None else listening)
    try:
        await running.start(path)
        await asyncio.Event().wait()
    finally:
        await running.close()


async def _first(routing: Routing) -> None:
    needed = asyncio.Event()

    def receive(_changes: Sequence[Change[PortKey, OpenPort]]) -> None:
        needed.set()

    unsubscribe = routing.ports.subscribe(receive)
    try:
        await needed.wait()
    finally:
        unsubscribe()


def _load() -> type[Server]:
    from sealane.dataplane.envoy.server import Server

    return Server
