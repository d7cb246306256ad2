"""A real server on loopback, in the test's own event loop."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory

from sealane.apiserver.api import Api
from sealane.apiserver.http.serving import HEADER_SECONDS, serve
from sealane.cluster import pki
from sealane.kube.client.http import HttpClient
from sealane.kube.client.kubeconfig import Access

_FOLDER = TemporaryDirectory(prefix="sealane-pki-")  # goes with this process


@lru_cache(maxsize=1)
def credentials() -> pki.Credentials:
    """One set for all tests of a process: making keys is not what they are about."""
    return pki.ensure(Path(_FOLDER.name))


@dataclass(frozen=True)
class Server:
    port: int
    access: Access


@asynccontextmanager
async def serving(api: Api, patience: float = HEADER_SECONDS) -> AsyncIterator[Server]:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(128)
        made = credentials()
        port = sock.getsockname()[1]
        context = pki.server_context(made)
        task = asyncio.ensure_future(serve(api, [sock], context, frozenset({made.token}), patience))
        try:
            yield Server(port, Access(server=f"https://127.0.0.1:{port}", ca=made.ca, token=made.token))
        finally:
            task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await task


@asynccontextmanager
async def over_http(api: Api) -> AsyncIterator[HttpClient]:
    async with serving(api) as server, HttpClient(server.access) as client:
        yield client
