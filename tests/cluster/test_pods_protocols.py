"""Stand-ins speak what their clients do, on one and the same port: HTTP/2, gRPC, WebSocket, TLS with any of them."""

from __future__ import annotations

import sys

import pytest

from sealane.testing.cluster import Cluster

pytestmark = pytest.mark.sealane(nodes=1)

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: "web:1", ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: spoken}
spec:
  selector: {app: web}
  ports: [{port: 80, targetPort: 8080, name: http}, {port: 443, targetPort: 8080, name: https}]
"""
GRPC = """
import grpc
channel = grpc.insecure_channel("spoken:80")
grpc.channel_ready_future(channel).result(20)
check = channel.unary_unary("/grpc.health.v1.Health/Check")
print(check(b"").hex())
chat = channel.stream_stream("/any.Service/Chat")
print(*chat(iter([b"one", b"two"])))
"""
WEBSOCKET = """
import asyncio, aiohttp
async def main():
    async with aiohttp.ClientSession() as session:
        for url in ("ws://spoken/ws", "wss://spoken/ws"):
            async with session.ws_connect(url, ssl=False) as socket:
                await socket.send_str("hello")
                await socket.send_bytes(b"x" * 100000)
                print((await socket.receive_str()), len(await socket.receive_bytes()))
asyncio.run(main())
"""


@pytest.fixture(autouse=True)
def _web(sealane: Cluster) -> None:
    sealane.apply(WEB)


def test_https_with_a_certificate_for_the_name(sealane: Cluster) -> None:
    said = sealane.exec("web", "curl", "-sk", "--http1.1", "-w", "%{certs}", "https://spoken/secure").check().out
    assert '"path": "/secure"' in said
    assert '"protocol": "HTTP/1.1"' in said


def test_http2_with_and_without_tls(sealane: Cluster) -> None:
    if "HTTP2" not in sealane.exec("web", "curl", "-V").check().out:
        pytest.skip("this curl has no HTTP/2")
    plain = sealane.exec("web", "curl", "-s", "--http2-prior-knowledge", "http://spoken/plain").check().out
    assert '"protocol": "HTTP/2.0"' in plain
    secure = sealane.exec("web", "curl", "-sk", "--http2", "https://spoken/secure").check().out
    assert '"protocol": "HTTP/2.0"' in secure


def test_grpc_health_and_echo(sealane: Cluster) -> None:
    said = sealane.exec("web", sys.executable, "-c", GRPC).check().out
    assert said.splitlines() == ["0801", "b'one' b'two'"]


def test_websockets_say_back_what_they_hear(sealane: Cluster) -> None:
    said = sealane.exec("web", sys.executable, "-c", WEBSOCKET).check().out
    assert said.splitlines() == ["hello 100000"] * 2


def test_http1_and_plain_bytes_as_before(sealane: Cluster) -> None:
    assert '"protocol": "HTTP/1.1"' in sealane.exec("web", "curl", "-s", "http://spoken/").check().out
    raw = sealane.exec("web", "sh", "-c", "echo PRIVATE | nc -q 1 spoken 80")
    if raw.code != 127:
        assert raw.out.endswith("PRIVATE\n")
