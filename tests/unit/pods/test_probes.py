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
        'service unhealthy (responded with "NOT_SERVING")',
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

    assert asyncio.run(play()) == [(False, "")]


@pytest.mark.parametrize(
    ("handler", "error", "words"),
    [
        (
            {"httpGet": {"path": "/healthz", "port": 8080}},
            ConnectionRefusedError(111, "Connection refused"),
            'Get "http://127.0.0.1:8080/healthz": dial tcp 127.0.0.1:8080: connect: connection refused',
        ),
        (
            {"httpGet": {"path": "ready", "port": "web", "scheme": "HTTPS"}},
            TimeoutError(),
            'Get "https://127.0.0.1:80/ready": context deadline exceeded '
            "(Client.Timeout exceeded while awaiting headers)",
        ),
        ({"httpGet": {"port": 80, "host": "::1"}}, EOFError(), 'Get "http://[::1]:80/": EOF'),
        ({"tcpSocket": {"port": 80}}, TimeoutError(), "dial tcp 127.0.0.1:80: i/o timeout"),
        (
            {"tcpSocket": {"port": 80}},
            OSError(113, "No route to host"),
            "dial tcp 127.0.0.1:80: connect: no route to host",
        ),
        (
            {"grpc": {"port": 80}},
            ConnectionRefusedError(111, "Connection refused"),
            'timeout: failed to connect service "127.0.0.1:80" within 1s: context deadline exceeded',
        ),
        ({"exec": {"command": ["sleep", "9"]}}, TimeoutError(), 'command timed out: "sleep 9" timed out after 1s'),
        (
            {"httpGet": {"port": "nope"}},
            OSError("the container has no port named 'nope'"),
            "the container has no port named 'nope'",
        ),
    ],
)
def test_what_goes_wrong_is_said_in_kubelets_words(handler: dict[str, Any], error: BaseException, words: str) -> None:
    assert checker(web=80).words(handler, 1.0)(error) == words


def test_each_check_that_fails_is_told() -> None:
    async def play() -> tuple[list[str], list[tuple[bool, str]]]:
        told: list[str] = []
        reports: list[tuple[bool, str]] = []

        async def check() -> tuple[bool, str]:
            return len(told) == 3, "HTTP probe failed with statuscode: 503"

        plan = ProbePlan("startup", {}, 0, 0.01, 1, 1, 10)
        running = asyncio.create_task(
            probe(plan, check, lambda ok, message: reports.append((ok, message)), failed=told.append)
        )
        while not reports:
            await asyncio.sleep(0.01)
        running.cancel()
        return told, reports

    told, reports = asyncio.run(play())
    assert told == ["HTTP probe failed with statuscode: 503"] * 3
    assert [ok for ok, _ in reports] == [True]
