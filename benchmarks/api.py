"""The Kubernetes API over HTTP and TLS: durable creates, watch delay, list, get, memory, restart.

The server is a process of its own; the load comes from this one over raw HTTP/1.1, so that as little as possible of the
figures is the load's own cost.
"""

from __future__ import annotations

import asyncio
import os
import re
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Row, percentile
from sealane.apiserver import http, pki
from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.store import Address, Store
from sealane.kube import kinds

OBJECTS = 5000
CREATORS = 16
STORED = 100_000
PATH = "/api/v1/namespaces/default/configmaps"
_BODY = (
    b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"load-%d","labels":{"a":"b"}},'
    b'"data":{"k":"0123456789012345678901234567890123456789"}}'
)
_ADDED = re.compile(rb'"ADDED","object":\{.*?"name":"load-(\d+)"')
_GOALS = {0: "≥ 3,200", 20: "≥ 2,600", 200: "≥ 1,500"}


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="sealane-bench-") as folder:
        for watchers in _GOALS:
            yield from asyncio.run(_load(Path(folder) / str(watchers), watchers))
        yield from _restart(Path(folder))


async def _load(folder: Path, watchers: int) -> list[Row]:
    credentials = pki.ensure(folder)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1024)
        command = [sys.executable, "-m", "benchmarks.api", str(folder), str(sock.fileno())]
        server = subprocess.Popen(command, pass_fds=[sock.fileno()])
        port = sock.getsockname()[1]
        try:
            return await _Load(port, credentials).run(watchers, server.pid)
        finally:
            server.terminate()
            server.wait()


class _Load:
    def __init__(self, port: int, credentials: pki.Credentials) -> None:
        self._port = port
        self._context = ssl.create_default_context(cadata=credentials.ca)
        self._head = f"Host: localhost\r\nAuthorization: Bearer {credentials.token}\r\n".encode()
        self._sent = [0.0] * OBJECTS
        self._delays: list[float] = []
        self._next = iter(range(OBJECTS))

    async def _open(self) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        return await asyncio.open_connection("127.0.0.1", self._port, ssl=self._context, limit=1 << 26)

    async def _request(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, method: bytes, path: str, body: bytes = b""
    ) -> bytes:
        kind = b"Content-Type: application/json\r\n" if body else b""
        length = b"Content-Length: %d\r\n\r\n" % len(body)
        writer.write(b"%s %s HTTP/1.1\r\n%s%s%s%s" % (method, path.encode(), self._head, kind, length, body))
        head = await reader.readuntil(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 20"):
            raise RuntimeError(head.splitlines()[0].decode())
        found = re.search(rb"(?i)content-length: (\d+)", head)
        return await reader.readexactly(int(found[1])) if found else b""

    async def run(self, watchers: int, pid: int) -> list[Row]:
        ready = [asyncio.create_task(self._watch()) for _ in range(watchers)]
        watching = [await each for each in ready]
        began = time.perf_counter()
        await asyncio.gather(*(self._create() for _ in range(CREATORS)))
        rate = OBJECTS / (time.perf_counter() - began)
        await asyncio.wait_for(asyncio.gather(*watching), 60)
        name = f"{watchers} watchers" if watchers else "no watcher"
        rows = [Row(f"durable creates, {CREATORS} at once, {name}", rate, "/s", _GOALS[watchers])]
        if watchers:
            delay = [each * 1e3 for each in self._delays]
            rows.append(Row(f"watch delay p50, {name}", percentile(delay, 0.5), "ms"))
            goal = "≤ 10" if watchers == 20 else ""
            rows.append(Row(f"watch delay p99, {name}", percentile(delay, 0.99), "ms", goal, "from request sent"))
        else:
            rows += await self._reads()
            rows.append(Row(f"memory with {OBJECTS:,} objects", _resident(pid), "MB", "≤ 120"))
        return rows

    async def _create(self) -> None:
        reader, writer = await self._open()
        for number in self._next:
            self._sent[number] = time.perf_counter()
            await self._request(reader, writer, b"POST", PATH, _BODY % number)
        writer.close()

    async def _watch(self) -> asyncio.Task[None]:
        reader, writer = await self._open()
        writer.write(b"GET %s?watch=1 HTTP/1.1\r\n%s\r\n" % (PATH.encode(), self._head))
        await reader.readuntil(b"\r\n\r\n")

        async def read() -> None:
            seen, rest = 0, b""
            while seen < OBJECTS:
                data = await reader.read(1 << 18)
                if not data:
                    raise RuntimeError("a watch ended")
                now = time.perf_counter()
                whole, newline, rest = (rest + data).rpartition(b"\n")
                for found in _ADDED.finditer(whole + newline):
                    self._delays.append(now - self._sent[int(found[1])])
                    seen += 1
            writer.close()

        return asyncio.create_task(read())

    async def _reads(self) -> list[Row]:
        reader, writer = await self._open()
        lists, gets = [], []
        for _ in range(9):
            began = time.perf_counter()
            await self._request(reader, writer, b"GET", PATH)
            lists.append((time.perf_counter() - began) * 1e3)
        for number in range(2000):
            began = time.perf_counter()
            await self._request(reader, writer, b"GET", f"{PATH}/load-{number}")
            gets.append((time.perf_counter() - began) * 1e3)
        writer.close()
        return [
            Row(f"list of {OBJECTS:,} objects, p50", percentile(lists, 0.5), "ms", "≤ 20"),
            Row("get, p50", percentile(gets, 0.5), "ms", "≤ 0.4"),
        ]


def _resident(pid: int) -> float:
    status = Path(f"/proc/{pid}/status").read_text()
    found = re.search(r"VmRSS:\s+(\d+) kB", status)
    return int(found[1]) / 1024 if found else 0.0


def _restart(folder: Path) -> Iterator[Row]:
    path = folder / "restart.db"
    asyncio.run(_fill(path))
    began = time.perf_counter()
    store = Store.open(path)
    took = time.perf_counter() - began
    store.close()
    yield Row(f"{STORED:,} objects loaded at the start", took, "s", "≤ 3")


async def _fill(path: Path) -> None:
    store = Store.open(path)
    for number in range(STORED):
        name = f"load-{number}"
        metadata = {"name": name, "namespace": "default", "uid": name, "labels": {"a": "b"}}
        raw = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"k": "0123456789" * 40}}
        store.enqueue(Address(("", "configmaps"), "default", name), store.stamped(raw))
    await store.flush()
    store.close()


async def _serve(folder: Path, listening: int) -> None:
    api = Api(Store.open(folder / "store.db"))
    await LocalClient(api).create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
    credentials = pki.ensure(folder)
    sock = socket.socket(fileno=os.dup(listening))
    await http.serve(api, [sock], pki.server_context(credentials), frozenset({credentials.token}))


if __name__ == "__main__":
    import uvloop

    uvloop.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
