"""What containers printed, from the node agent, as an API server asks a kubelet for it.

The agent answers on a Unix socket: a line of JSON asks, a line of JSON says whether it can, then come the bytes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import msgspec

from sealane.apiserver.api import LogReader
from sealane.apiserver.errors import bad_request
from sealane.kube.client import ApiError

_PIECE = 1 << 16


def agent_logs(agent_socket: Path) -> LogReader:
    """Reads logs through `agent_socket`. Raises ApiError 400 for what the agent refuses, 503 when it is not there."""

    async def read(
        namespace: str, pod: str, container: str, follow: bool, tail: int | None, previous: bool
    ) -> AsyncIterator[bytes]:
        request: dict[str, Any] = {"op": "logs", "namespace": namespace, "pod": pod, "container": container}
        request |= {"follow": follow, "tail": -1 if tail is None else tail, "previous": previous}
        try:
            reader, writer = await asyncio.open_unix_connection(agent_socket)
        except OSError as error:
            raise ApiError(503, "ServiceUnavailable", f"the node agent cannot be reached: {error}") from None
        try:
            writer.write(msgspec.json.encode(request) + b"\n")
            answer = msgspec.json.decode(await reader.readline() or b'{"error": "the node agent did not answer"}')
            if "error" in answer:
                raise bad_request(answer["error"])
            while piece := await reader.read(_PIECE):
                yield piece
        finally:
            writer.close()

    return read
