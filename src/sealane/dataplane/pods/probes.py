"""Startup, readiness and liveness probes: when they run, what counts, and the checks themselves.

Source: https://kubernetes.io/docs/concepts/configuration/liveness-readiness-startup-probes/ and the Probe of the API
reference. Checks come from the node's namespace, as a kubelet's do. One thing is quicker than a kubelet: until a
container is ready for the first time, its readiness probe is repeated after 0.1, 0.2, 0.4 … seconds, up to its
period.
"""

from __future__ import annotations

import asyncio
import contextlib
import socket
import ssl
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Literal

from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.pods import grpc_health
from sealane.dataplane.pods.states import ProbeKind
from sealane.kube.objects import Raw

FIRST_REPEAT = 0.1

Execute = Callable[[Sequence[str]], Awaitable[tuple[int, str]]]
"""Runs a program in the container: exit code and what it printed."""
Outcome = tuple[bool, str]


@dataclass(frozen=True, slots=True)
class ProbePlan:
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


async def probe(plan: ProbePlan, check: Callable[[], Awaitable[Outcome]], report: Callable[[bool, str], None]) -> None:
    """Runs the probe until cancelled; report(ok, message) at each threshold newly reached."""
    tally = Tally(plan)
    await asyncio.sleep(plan.delay)
    eager = plan.kind == "readiness"
    pause = min(FIRST_REPEAT, plan.period)
    while True:
        try:
            ok, message = await asyncio.wait_for(check(), plan.timeout)
        except TimeoutError:
            ok, message = False, f"no answer within {plan.timeout:g}s"
        except (OSError, EOFError) as error:
            ok, message = False, str(error)
        eager = eager and not ok
        said = tally.add(ok)
        if said:
            report(said == "passed", message)
        await asyncio.sleep(pause if eager else plan.period)
        pause = min(pause * 2, plan.period)


@dataclass(frozen=True, slots=True)
class Checker:
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
        if len(parts) < 2 or not parts[1].isdigit():
            return False, "the answer is not HTTP"
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
