"""Startup, readiness and liveness probes: when they run, what counts, and the checks themselves.

Source: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/ and the Probe of the API
reference. Checks come from the node's namespace, as a kubelet's do. One thing is quicker than a kubelet: until a
container is ready for the first time, its readiness probe is repeated after 0.1, 0.2, 0.4 … seconds, up to its
period.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from functools import partial
from typing import Literal

import msgspec

from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.pods import grpc_health
from sealane.dataplane.pods.states import ProbeKind
from sealane.kube.objects import Raw

FIRST_REPEAT = 0.1

Execute = Callable[[Sequence[str]], Awaitable[tuple[int, str]]]
"""Runs a program in the container: exit code and what it printed."""
Outcome = tuple[bool, str]


class ProbePlan(msgspec.Struct, frozen=True):
    """One probe with the API's defaults. Times in seconds, thresholds in checks in a row."""

    kind: ProbeKind
    handler: Raw
    delay: float
    period: float
    timeout: float
    success: int
    failure: int


def plan_probe(kind: ProbeKind, raw: Raw) -> ProbePlan:
    return ProbePlan(
        kind,
        raw,
        float(raw.get("initialDelaySeconds") or 0),
        float(raw.get("periodSeconds") or 10),
        float(raw.get("timeoutSeconds") or 1),
        int(raw.get("successThreshold") or 1),
        int(raw.get("failureThreshold") or 3),
    )


class Tally:
    """Counts checks in a row: `add` says "passed" or "failed" when a threshold is newly reached."""

    def __init__(self, plan: ProbePlan) -> None:
        self._plan = plan
        self._last: bool | None = None
        self._row = 0
        self._said: str = ""

    def add(self, ok: bool) -> Literal["passed", "failed", ""]:
        self._row = self._row + 1 if ok == self._last else 1
        self._last = ok
        said: Literal["passed", "failed"] = "passed" if ok else "failed"
        if self._said == said or self._row < (self._plan.success if ok else self._plan.failure):
            return ""
        self._said = said
        return said


async def probe(
    plan: ProbePlan,
    check: Callable[[], Awaitable[Outcome]],
    report: Callable[[bool, str], None],
    *,
    failed: Callable[[str], None] = lambda message: None,
    words: Callable[[BaseException], str] = str,
) -> None:
    """Runs the probe until cancelled; report(ok, message) at each threshold newly reached.

    failed(message): for each check that fails, but not for those that are made before a kubelet's first would be.
    words: of a TimeoutError, OSError or EOFError of a check.
    """
    tally = Tally(plan)
    await asyncio.sleep(plan.delay)
    eager = plan.kind == "readiness"
    pause = min(FIRST_REPEAT, plan.period)
    began = time.monotonic()
    while True:
        try:
            ok, message = await asyncio.wait_for(check(), plan.timeout)
        except (OSError, EOFError) as error:
            ok, message = False, words(error)
        eager = eager and not ok
        said = tally.add(ok)
        if not ok and (said or plan.kind != "readiness" or time.monotonic() - began >= plan.period):
            failed(message)
        if said:
            report(said == "passed", message)
        await asyncio.sleep(pause if eager else plan.period)
        pause = min(pause * 2, plan.period)


class Checker(msgspec.Struct, frozen=True):
    """Makes the checks of one container. address: the pod's. ports: its named ports."""

    thread: NamespaceThread
    address: str
    ports: dict[str, int]
    execute: Execute

    async def check(self, handler: Raw) -> Outcome:
        """One check. Raises OSError or EOFError for a connection that fails."""
        if "exec" in handler:
            code, output = await self.execute(handler["exec"].get("command") or ())
            return code == 0, output.strip()[:512] or f"exit code {code}"
        if "httpGet" in handler:
            return await self._http(handler["httpGet"])
        if "tcpSocket" in handler:
            target = handler["tcpSocket"]
            with contextlib.closing(await self._connect(target.get("host"), self._port(target["port"]))):
                return True, ""
        if "grpc" in handler:
            return await self._grpc(self._port(handler["grpc"]["port"]), handler["grpc"].get("service") or "")
        return True, ""

    def words(self, handler: Raw, seconds: float) -> Callable[[BaseException], str]:
        """Of what a check may raise, in kubelet's words. seconds: its timeout."""
        return partial(self._words, handler, seconds)

    def _words(self, handler: Raw, seconds: float, error: BaseException) -> str:
        late = isinstance(error, TimeoutError) and error.errno is None
        if "exec" in handler:
            command = " ".join(handler["exec"].get("command") or ())
            return f"command timed out: {json.dumps(command)} timed out after {seconds:g}s" if late else str(error)
        for kind in ("httpGet", "tcpSocket", "grpc"):
            target = handler.get(kind)
            if target is None or (
                not late and not isinstance(error, EOFError) and getattr(error, "errno", None) is None
            ):
                continue
            host = target.get("host") or self.address
            where = f"{f'[{host}]' if ':' in host else host}:{self._port(target['port'])}"
            if kind == "grpc":
                return f'timeout: failed to connect service "{where}" within {seconds:g}s: context deadline exceeded'
            number = getattr(error, "errno", None)
            broken = f"dial tcp {where}: connect: {os.strerror(number).lower()}" if number else "EOF"
            if kind == "tcpSocket":
                return f"dial tcp {where}: i/o timeout" if late else broken
            path = str(target.get("path") or "/")
            scheme = (target.get("scheme") or "HTTP").lower()
            late_words = "context deadline exceeded (Client.Timeout exceeded while awaiting headers)"
            return f'Get "{scheme}://{where}/{path.removeprefix("/")}": {late_words if late else broken}'
        return str(error)

    def _port(self, port: int | str) -> int:
        if isinstance(port, int) or port.isdigit():
            return int(port)
        if port not in self.ports:
            raise OSError(f"the container has no port named {port!r}")
        return self.ports[port]

    async def _connect(self, host: str | None, port: int) -> socket.socket:
        address = host or self.address
        family = socket.AF_INET6 if ":" in address else socket.AF_INET
        made = await self.thread.run(_socket, family)
        try:
            await asyncio.get_running_loop().sock_connect(made, (address, port))
        except BaseException:
            made.close()
            raise
        return made

    async def _grpc(self, port: int, service: str) -> Outcome:
        host = f"[{self.address}]" if ":" in self.address else self.address
        with contextlib.closing(await self._connect(None, port)) as opened:
            loop = asyncio.get_running_loop()
            await loop.sock_sendall(opened, grpc_health.request(f"{host}:{port}", service))
            answer = grpc_health.Answer()
            while answer.done is None:
                data = await loop.sock_recv(opened, 16384)
                if not data:
                    return False, "the connection ended without a gRPC answer"
                if reply := answer.feed(data):
                    await loop.sock_sendall(opened, reply)
        return answer.done

    async def _http(self, get: Raw) -> Outcome:
        port = self._port(get["port"])
        tls = None
        if (get.get("scheme") or "HTTP").upper() == "HTTPS":
            tls = ssl.create_default_context()
            tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        opened = await self._connect(get.get("host"), port)
        reader, writer = await asyncio.open_connection(sock=opened, ssl=tls, server_hostname="" if tls else None)
        try:
            writer.write(_request(get, self.address, port))
            line = await reader.readline()
        finally:
            writer.close()
        parts = line.split()
        if not line:
            raise EOFError
        if len(parts) < 2 or not parts[1].isdigit():
            said = json.dumps(line.decode("latin-1").rstrip("\r\n")[:64])
            return False, f"net/http: HTTP/1.x transport connection broken: malformed HTTP response {said}"
        status = int(parts[1])
        return 200 <= status < 400, f"HTTP probe failed with statuscode: {status}"


def _socket(family: int) -> socket.socket:
    return socket.socket(family, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)


def _request(get: Raw, address: str, port: int) -> bytes:
    path: str = get.get("path") or "/"
    fields = {"Host": f"{address}:{port}", "User-Agent": "kube-probe/1.34", "Accept": "*/*", "Connection": "close"}
    for header in get.get("httpHeaders") or ():
        fields[header["name"].title() if header["name"].lower() == "host" else header["name"]] = header["value"]
    lines = [f"GET {path if path.startswith('/') else '/' + path} HTTP/1.1"]
    lines += [f"{name}: {value}" for name, value in fields.items()]
    return "\r\n".join(lines).encode() + b"\r\n\r\n"
