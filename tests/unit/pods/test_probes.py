"""Probes against real servers on loopback: HTTP, TCP, exec and gRPC's own server."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import Any, cast

import grpc
import pytest

from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.pods.grpc_health import Answer
from sealane.dataplane.pods.probes import Checker, ProbePlan, probe


class Here:
    """In place of a node's thread: sockets of this process's own namespace."""

    async def run(self, function: Any, *args: Any) -> Any:
        return function(*args)


async def execute(argv: Sequence[str]) -> tuple[int, str]:
    return (0, "fine") if list(argv) == ["true"] else (3, "broken\n")


def checker(**ports: int) -> Checker:
    return Checker(cast(NamespaceThread, Here()), "127.0.0.1", ports, execute)


def check(handler: dict[str, Any], **ports: int) -> tuple[bool, str]:
    return asyncio.run(checker(**ports).check(handler))


@pytest.fixture
def health() -> Iterator[int]:
    """A gRPC server: healthy as a whole, "down" is not, others are unknown."""
    answers = {b"": b"\x08\x01", b"\x0a\x04down": b"\x08\x02"}

    def answer(request: bytes, context: grpc.ServicerContext) -> bytes:
        if request not in answers:
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown service")
        return answers[request]

    server = grpc.server(ThreadPoolExecutor(2))
    handlers = {"Check": grpc.unary_unary_rpc_method_handler(answer)}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("grpc.health.v1.Health", handlers),))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield port
    server.stop(None)


def test_grpc(health: int) -> None:
    assert check({"grpc": {"port": health}})[0] is True
    assert check({"grpc": {"port": health, "service": "down"}}) == (
        False,
        "service unhealthy (responded with 'NOT_SERVING')",
    )
    ok, message = check({"grpc": {"port": health, "service": "other"}})
    assert not ok
    assert "without a health status" in message


def test_an_answer_may_come_byte_by_byte() -> None:
    answer = Answer()
    frames = bytes.fromhex("000000040000000000" + "000007000100000001" + "00000000020801")
    replies = b"".join(answer.feed(frames[at : at + 1]) for at in range(len(frames)))
    assert answer.done is not None
    assert answer.done[0] is True
    assert replies == bytes.fromhex("000000040100000000")  # the settings are acknowledged


async def _serve_http(answer: bytes, handler: dict[str, Any]) -> tuple[tuple[bool, str], bytes]:
    seen = b""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal seen
        seen = await reader.readuntil(b"\r\n\r\n")
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async with server:
        outcome = await checker(http=port).check(handler)
    return outcome, seen


@pytest.mark.parametrize(
    ("answer", "ok"),
    [
        (b"HTTP/1.1 200 OK\r\n\r\n", True),
        (b"HTTP/1.1 302 Found\r\n\r\n", True),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", False),
        (b"HTTP/1.1 500 No\r\n\r\n", False),
        (b"hello\r\n", False),
        (b"", False),
    ],
)
def test_http(answer: bytes, ok: bool) -> None:
    headers = [{"name": "host", "value": "shop.test"}, {"name": "X-Probe", "value": "1"}]
    get = {"httpGet": {"path": "healthz", "port": "http", "httpHeaders": headers}}
    outcome, seen = asyncio.run(_serve_http(answer, get))
    assert outcome[0] is ok
    assert seen.startswith(b"GET /healthz HTTP/1.1\r\nHost: shop.test\r\n")
    assert b"\r\nX-Probe: 1\r\n" in seen


def test_tcp_and_exec_and_a_port_without_a_name() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        assert check({"tcpSocket": {"port": port}}) == (True, "")
    with pytest.raises(ConnectionRefusedError):
        check({"tcpSocket": {"port": port}})
    assert check({"exec": {"command": ["true"]}})[0] is True
    assert check({"exec": {"command": ["false"]}}) == (False, "broken")
    with pytest.raises(OSError, match="no port named 'web'"):
        check({"httpGet": {"port": "web"}})


def test_a_probe_that_hangs_fails_after_its_timeout() -> None:
    async def play() -> list[tuple[bool, str]]:
        reports: list[tuple[bool, str]] = []

        async def hang() -> tuple[bool, str]:
            await asyncio.sleep(60)
            return True, ""

        plan = ProbePlan("liveness", {}, 0, 0.01, 0.05, 1, 2)
        running = asyncio.create_task(probe(plan, hang, lambda ok, message: reports.append((ok, message))))
        await asyncio.sleep(0.5)
        running.cancel()
        return reports

    assert asyncio.run(play()) == [(False, "no answer within 0.05s")]
