"""Logs of containers, fetched from the node agent as an API server fetches them from a kubelet.

The agent answers on a Unix socket: a line of JSON asks, a line of JSON says whether it can, then come the bytes.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from sealane.apiserver.errors import bad_request, invalid
from sealane.apiserver.node_agent import LogOptions, LogReader
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind

_PIECE = 1 << 16
_OPTIONS = Kind("", "v1", "PodLogOptions", "pods")
_TRUE = frozenset({"1", "true", "True", "t", "T", "TRUE"})


def log_options(pod: str, query: Mapping[str, str], now: Callable[[], float] = time.time) -> LogOptions:
    """From the query of a request about the logs of `pod`. Raises ApiError 400 or 422, as upstream's validation."""
    wrong: list[tuple[str, str, str]] = []

    def number(name: str, least: int) -> int | None:
        text = query.get(name)
        if not text:
            return None
        try:
            value = int(text)
        except ValueError:
            raise bad_request(f'strconv.ParseInt: parsing "{text}": invalid syntax') from None
        if value < least:
            why = "greater than 0" if least else "greater than or equal to 0"
            wrong.append((name, "FieldValueInvalid", f"Invalid value: {value}: must be {why}"))
        return value

    tail, limit, ago = number("tailLines", 0), number("limitBytes", 1), number("sinceSeconds", 1)
    since = 0.0
    if query.get("sinceTime"):
        if ago is not None:
            why = "Forbidden: at most one of `sinceTime` or `sinceSeconds` may be specified"
            wrong.append(("", "FieldValueForbidden", why))
        try:
            since = datetime.fromisoformat(query["sinceTime"]).timestamp()
        except ValueError:
            raise bad_request(f'parsing time "{query["sinceTime"]}" as RFC 3339: cannot parse') from None
    elif ago is not None:
        since = now() - ago
    if wrong:
        raise invalid(_OPTIONS, pod, *wrong)
    flags = {name: query.get(name) in _TRUE for name in ("follow", "previous", "timestamps")}
    return LogOptions(tail=-1 if tail is None else tail, since=since, limit=limit or 0, **flags)


def agent_logs(agent_socket: Path) -> LogReader:
    """Reads logs through `agent_socket`. Raises ApiError 400 for what the agent refuses, 503 when it is not there."""

    async def read(namespace: str, pod: str, container: str, options: LogOptions) -> AsyncIterator[bytes]:
        request: dict[str, Any] = {"op": "logs", "namespace": namespace, "pod": pod, "container": container}
        request |= msgspec.to_builtins(options)
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
