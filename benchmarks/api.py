"""The Kubernetes API over HTTP and TLS: durable creates, watch delay, list, get, deletion of all, memory, restart.

The server is a process of its own; the load comes from this one over raw HTTP/1.1, so that as little as possible of the
figures is the load's own cost. Where Go is there and SEALANE_APILOAD names the folder of the Go program that does the
same work, its figures come too. Beside them stands what the real API machinery does on the same kind of machine.
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
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, cast

import uvloop

from benchmarks import apiload
from benchmarks.report import Row, percentile
from sealane.apiserver.http.serving import serve
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.backends import Address
from sealane.apiserver.storage.store import Store
from sealane.cluster import memory, pki
from sealane.kube import kinds

OBJECTS = 5000
CREATORS = 16
STORED = 100_000
MEASURED = 4  # watches whose delays are taken; the others are read and counted
PATH = "/api/v1/namespaces/default/configmaps"
_BODY = (
    b'{"apiVersion":"v1","kind":"ConfigMap","metadata":{"name":"load-%d","labels":{"a":"b"}},'
    b'"data":{"k":"0123456789012345678901234567890123456789"}}'
)
_NAME = re.compile(rb'"name":"load-(\d+)"')
_LENGTH = re.compile(rb"(?i)content-length: (\d+)")
_GOALS = {0: "≥ 4,890", 20: "≥ 3,990", 200: "≥ 2,370"}  # three times the real machinery
_REAL = {0: "1,630/s", 20: "1,330/s; delay p99 47 ms", 200: "790/s; delay p99 711 ms"}
"""apiextensions-apiserver 0.37 on etcd, 2 cores; list of 5,000 objects 466 ms, get p50 0.8 ms, 640 MB."""


def measure() -> Iterator[Row]:
    memory.settle()  # the load is to cost as little as it can
    with tempfile.TemporaryDirectory(prefix="sealane-bench-") as folder:
        for watchers in _GOALS:
            yield from uvloop.run(_load(Path(folder) / str(watchers), watchers))
        (Path(folder) / "go").mkdir()
        program = apiload.built(Path(folder) / "go")
        if program is not None:
            for watchers in _GOALS:
                yield from uvloop.run(_load(Path(folder) / f"go-{watchers}", watchers, program))
        yield from _restart(Path(folder))


async def _load(folder: Path, watchers: int, program: Path | None = None) -> list[Row]:
    """The rows of one server. program: who makes the load; None: this process."""
    credentials = pki.ensure(folder)
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(1024)
        command = [sys.executable, "-m", "benchmarks.api", str(folder), str(sock.fileno())]
        server = subprocess.Popen(command, pass_fds=[sock.fileno()])
        port = sock.getsockname()[1]
        try:
            if program is not None:
                address = f"https://127.0.0.1:{port}"
                await (await _Load(port, credentials).open()).close()  # once it is answered, the server is there
                return _rows(
                    watchers,
                    apiload.load(program, address, credentials.token, folder, OBJECTS, CREATORS, watchers),
                )
            return await _Load(port, credentials).run(watchers, server.pid)
        finally:
            server.terminate()
            server.wait()


def _rows(watchers: int, found: Any) -> list[Row]:
    """What the Go program measured."""
    name = f"{watchers} watchers, Go" if watchers else "no watcher, Go"
    what = f"durable creates, {CREATORS} at once, {name}"
    rows = [Row(what, found["creates_per_s"], "/s", _GOALS[watchers], f"real machinery: {_REAL[watchers]}")]
    if watchers:
        missed = found["watch_expected"] - found["watch_events"]
        goal = "≤ 10" if watchers == 20 else ""
        rows.append(Row(f"watch delay p99, {name}", found["watch_p99_ms"], "ms", goal, f"{missed} events missed"))
    else:
        rows.append(Row(f"list of {OBJECTS:,} objects, Go", found["list_ms"], "ms", "≤ 8", "gzip; real: 466 ms"))
        rows.append(Row("get, p50, Go", found["get_p50_ms"], "ms", "≤ 0.4", "real machinery: 0.8 ms"))
    rows.append(Row(f"delete of the collection, {name}", found["deletecollection_ms"], "ms"))
    return rows


class _Connection(asyncio.Protocol):
    """One HTTP/1.1 connection with one request at a time, or one watch."""

    def __init__(self) -> None:
        self._transport: asyncio.Transport | None = None
        self._got: list[bytes] = []  # of one answer, joined once it is whole
        self._missing = 0  # bytes; 0 before the head is there
        self._answer: asyncio.Future[bytes] | None = None
        self._told: Callable[[bytes], None] | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's own, which is no subclass

    def data_received(self, data: bytes) -> None:
        if self._told is not None and self._answer is None:
            self._told(data)
            return
        self._got.append(data)
        if self._missing > len(data):
            self._missing -= len(data)
            return
        head, end, body = b"".join(self._got).partition(b"\r\n\r\n")
        if not end or self._answer is None:
            return
        length = _LENGTH.search(head)
        self._missing = max(0, int(length[1]) - len(body)) if length is not None else 0
        if self._missing:
            return
        answer, self._answer, self._got = self._answer, None, []
        if head.startswith(b"HTTP/1.1 20"):
            answer.set_result(body)
        else:
            answer.set_exception(RuntimeError(head.partition(b"\r\n")[0].decode()))

    async def close(self) -> None:
        assert self._transport is not None
        self._transport.close()

    async def request(self, data: bytes) -> bytes:
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(data)
        return await self._answer

    async def watch(self, data: bytes, told: Callable[[bytes], None]) -> None:
        """Returns when the answer has begun; from then on `told` gets its bytes."""
        self._told = told
        await self.request(data)


class _Load:
    def __init__(self, port: int, credentials: pki.Credentials) -> None:
        self._port = port
        self._context = ssl.create_default_context(cadata=credentials.ca)
        self._head = f"Host: localhost\r\nAuthorization: Bearer {credentials.token}\r\n".encode()
        self._sent = [0.0] * OBJECTS
        self._delays: list[float] = []
        self._next = iter(range(OBJECTS))

    async def open(self) -> _Connection:
        loop = asyncio.get_running_loop()
        _, found = await loop.create_connection(
            _Connection, "127.0.0.1", self._port, ssl=self._context, server_hostname="localhost"
        )
        return found

    def _request(self, method: bytes, path: str, body: bytes = b"") -> bytes:
        kind = b"Content-Type: application/json\r\n" if body else b""
        return b"%s %s HTTP/1.1\r\n%s%sContent-Length: %d\r\n\r\n%s" % (
            method,
            path.encode(),
            self._head,
            kind,
            len(body),
            body,
        )

    async def run(self, watchers: int, pid: int) -> list[Row]:
        watching = [await self._watch(measured=number < MEASURED) for number in range(watchers)]
        cpu, began = _cpu(pid), time.perf_counter()
        await asyncio.gather(*(self._create() for _ in range(CREATORS)))
        rate = OBJECTS / (time.perf_counter() - began)
        await asyncio.wait_for(asyncio.gather(*watching), 60)
        each = (_cpu(pid) - cpu) / OBJECTS * 1e3
        name = f"{watchers} watchers" if watchers else "no watcher"
        note = f"{each:.2f} ms of the server's CPU each; real machinery: {_REAL[watchers]}"
        rows = [Row(f"durable creates, {CREATORS} at once, {name}", rate, "/s", _GOALS[watchers], note)]
        if watchers:
            delay = [each * 1e3 for each in self._delays]
            rows.append(Row(f"watch delay p50, {name}", percentile(delay, 0.5), "ms", "", "from the request sent"))
            goal = "≤ 10" if watchers == 20 else ""
            rows.append(Row(f"watch delay p99, {name}", percentile(delay, 0.99), "ms", goal))
        else:
            rows += await self._reads()
            rows.append(
                Row(f"memory with {OBJECTS:,} objects", _resident(pid), "MB", "≤ 120", "real machinery: 640 MB")
            )
        began = time.perf_counter()
        await (await self.open()).request(self._request(b"DELETE", PATH))
        rows.append(Row(f"delete of the collection, {name}", (time.perf_counter() - began) * 1e3, "ms"))
        return rows

    async def _create(self) -> None:
        connection = await self.open()
        for number in self._next:
            self._sent[number] = time.perf_counter()
            await connection.request(self._request(b"POST", PATH, _BODY % number))

    async def _watch(self, measured: bool) -> asyncio.Future[None]:
        """A future that is done when the watch has told every object. Only some watches are read closely."""
        connection = await self.open()
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        seen, rest = 0, b""

        def told(data: bytes) -> None:
            nonlocal seen, rest
            now = time.perf_counter()
            whole, newline, rest = (rest + data).rpartition(b"\n")
            whole += newline
            seen += whole.count(b'{"type":"ADDED"')
            if measured:
                self._delays += [now - self._sent[int(number)] for number in _NAME.findall(whole)]
            if seen >= OBJECTS and not done.done():
                done.set_result(None)

        await connection.watch(self._request(b"GET", f"{PATH}?watch=1"), told)
        return done

    async def _reads(self) -> list[Row]:
        connection = await self.open()

        async def took(path: str) -> float:
            began = time.perf_counter()
            await connection.request(self._request(b"GET", path))
            return (time.perf_counter() - began) * 1e3

        lists = [await took(PATH) for _ in range(9)]
        gets = [await took(f"{PATH}/load-{number}") for number in range(2000)]
        return [
            Row(f"list of {OBJECTS:,} objects, p50", percentile(lists, 0.5), "ms", "≤ 8", "real machinery: 466 ms"),
            Row("get, p50", percentile(gets, 0.5), "ms", "≤ 0.4", "real machinery: 0.8 ms"),
        ]


def _cpu(pid: int) -> float:
    """Seconds of CPU, in user and kernel mode, that a process has used."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
    api = start_api(Store.open(folder / "store.db"))
    await LocalClient(api).create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
    credentials = pki.ensure(folder)
    memory.settle()  # as every process of a cluster
    sock = socket.socket(fileno=os.dup(listening))
    await serve(api, [sock], pki.server_context(credentials), frozenset({credentials.token}))


if __name__ == "__main__":
    uvloop.run(_serve(Path(sys.argv[1]), int(sys.argv[2])))
