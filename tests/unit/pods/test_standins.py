"""Stand-in answers: the HTTP reader on any split of its input, and each behaviour's response."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.dataplane.pods.standins.behaviours import Around, Facts, Session, Socket, reply, respond, said
from sealane.dataplane.pods.standins.http import Malformed, Reader, Request, Response, looks_like_http

FACTS = Facts("shop", "web-0", "node-1", ["10.244.1.2", "fd00::2"], "web", "web-0")
CLIENT = ("10.244.2.9", 40000)

STREAM = (
    b"GET /a?x=1 HTTP/1.1\r\nHost: web\r\nX-A: 1\r\nx-a: 2\r\n\r\n"
    b"POST /b HTTP/1.1\r\nHost: web\r\nContent-Length: 5\r\n\r\nhello"
    b"PUT /c HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n3;ext=1\r\nabc\r\n2\r\nde\r\n0\r\nT: v\r\n\r\n"
    b"GET /d HTTP/1.0\r\n\r\n"
)


@given(st.lists(st.integers(0, len(STREAM))))
def test_requests_are_the_same_however_the_bytes_arrive(cuts: list[int]) -> None:
    reader, found, last = Reader(), [], 0
    for cut in [*sorted(cuts), len(STREAM)]:
        reader.feed(STREAM[last:cut])
        last = cut
        while request := reader.next():
            found.append((request.method, request.target, request.body, request.keeps_alive))
    assert found == [
        ("GET", "/a?x=1", 0, True),
        ("POST", "/b", 5, True),
        ("PUT", "/c", 5, True),
        ("GET", "/d", 0, False),
    ]


@pytest.mark.parametrize(
    "data",
    [
        b"GET / HTTP/1.1\r\nContent-Length: x\r\n\r\n",
        b"GET / HTTP/1.1\r\nContent-Length: -1\r\n\r\n",
        b"GET / HTTP/1.1\r\nbroken\r\n\r\n",
        b"PUT / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"G" * 70_000,
    ],
)
def test_malformed_requests_are_refused(data: bytes) -> None:
    reader = Reader()
    reader.feed(data)
    with pytest.raises(Malformed):
        reader.next()


def test_what_looks_like_http() -> None:
    assert looks_like_http(b"GET / HTTP/1.1\r\n") is True
    for start in (b"G", b"GET", b"GET /long", b"GET / HTTP/1"):
        assert looks_like_http(start) is None, start
    for start in (b"hello\n", b"\x16\x03\x01", b"GET it\n", b"QUIT\r\n"):
        assert looks_like_http(start) is False, start


def ask(behaviour: str, target: str, *fields: tuple[str, str], facts: Facts = FACTS) -> Response:
    return respond(facts, Socket("TCP", 4, 8080, "http", behaviour), Request("GET", target, "1.1", fields), CLIENT)


def test_echo_says_who_answered_and_what_it_saw() -> None:
    response = ask("echo", "/items?status=503&delay=250ms", ("Host", "cart"), ("X-A", "1"), ("X-A", "2"))
    body = json.loads(response.body)
    assert (response.status, response.delay) == (503, 0.25)
    assert (body["pod"], body["namespace"], body["node"], body["ip"], body["port"]) == (
        "web-0",
        "shop",
        "node-1",
        "10.244.1.2",
        8080,
    )
    assert (body["method"], body["path"], body["host"]) == ("GET", "/items?status=503&delay=250ms", "cart")
    assert body["headers"]["X-A"] == "1, 2"
    assert body["client"] == {"ip": "10.244.2.9", "port": 40000}


def test_conformance_echo_has_the_shape_the_suite_reads() -> None:
    facts = Facts("ns", "pod", "n", ["10.0.0.1"], env={"NAMESPACE": "from-env", "POD_NAME": "p"})
    response = ask("conformance", "/x?y", ("Host", "h"), ("x-lower", "1"), ("X-Echo-Set-Header", "A: b"), facts=facts)
    body = json.loads(response.body)
    assert (body["path"], body["host"], body["method"], body["proto"]) == ("/x?y", "h", "GET", "HTTP/1.1")
    assert body["headers"]["X-Lower"] == ["1"]
    assert (body["namespace"], body["pod"], body["service"], body["ingress"]) == ("from-env", "p", "", "")
    assert list(response.fields) == [("A", "b")]
    assert ask("conformance", "/status/418").status == 418


def test_conformance_retry_fails_as_often_as_it_is_told_to() -> None:
    around, socket = Around(), Socket("TCP", 4, 3000, "http", "conformance")

    def retried(query: str) -> Response:
        return respond(FACTS, socket, Request("GET", f"/retry/a?{query}", "1.1", ()), CLIENT, around)

    assert retried("uuid=1&succeedAfter=2&responseCode=503").status == 503
    assert retried("uuid=1&succeedAfter=2").reset
    assert retried("uuid=1&succeedAfter=2").status == 200
    assert retried("uuid=2&succeedAfter=1&responseCode=500&delayRetry=300ms").delay == 0.3
    assert retried("succeedAfter=1").status == retried("uuid=3").status == 400


def test_conformance_says_in_its_log_what_mirror_tests_look_for() -> None:
    assert ask("conformance", "/mirror?a").says == "Echoing back request made to /mirror?a to client (10.244.2.9:40000)"


def test_conformance_says_what_the_tls_session_was() -> None:
    around = Around(Session("TLSv1.3", "shop.example", "h2", "TLS_AES_128_GCM_SHA256", ("PEM",)))
    socket = Socket("TCP", 4, 8443, "https", "conformance")
    body = json.loads(respond(FACTS, socket, Request("GET", "/", "1.1", ()), CLIENT, around).body)
    assert body["tls"]["serverName"] == "shop.example"
    assert body["tls"]["peerCertificates"] == ["PEM"]
    assert "tls" not in json.loads(ask("conformance", "/").body)


def test_conformance_lines_and_datagrams() -> None:
    facts = Facts("ns", "pod", "n", ["10.0.0.1"], env={"SERVICE_NAME": "s"})
    socket = Socket("TCP", 4, 3000, "tcp", "conformance-lines")
    assert said(facts, socket, b"PING\r", None) == b"PONG\n"
    assert said(facts, socket, b"IS_TLS", Session("TLSv1.3")) == b"true\n"
    told = json.loads(said(facts, socket, b"TEST", Session("TLSv1.3", "a.example")))
    assert (told["isTLS"], told["tls"]["version"], told["tls"]["serverName"]) == (True, "TLS 1.3", "a.example")
    assert said(facts, socket, b"else", None) == b""
    answer = json.loads(reply(facts, Socket("UDP", 4, 8080, "udp", "conformance"), b"hi", CLIENT))
    assert answer == {"request": "hi", "namespace": "ns", "ingress": "", "service": "s", "pod": "pod"}


def test_netexec_and_datagrams() -> None:
    assert ask("netexec", "/clientip").body == b"10.244.2.9:40000"
    assert ask("netexec", "/hostName").body == b"web-0"
    assert ask("netexec", "/echo?msg=hi&code=201").status == 201
    assert ask("netexec", "/nope").status == 404
    assert ask("hostname", "/").body == b"web-0"
    udp = Socket("UDP", 4, 8081, "udp", "netexec")
    assert reply(FACTS, udp, b"hostname\n", CLIENT) == b"web-0"
    assert reply(FACTS, udp, b"clientip", ("fd00::9", 7)) == b"[fd00::9]:7"
    assert reply(FACTS, Socket("UDP", 4, 53, "udp", "hostname"), b"x", CLIENT) == b"web-0"
    echo = reply(FACTS, Socket("UDP", 4, 53), b"ping", CLIENT)
    assert echo == b"shop/web-0 on node-1 (10.244.1.2): ping"


def test_encoding() -> None:
    response = Response(b"body", 404, fields=(("X", "y"),))
    assert response.encode(close=True) == (
        b"HTTP/1.1 404 Not Found\r\nContent-Type: text/plain; charset=utf-8\r\nContent-Length: 4\r\nX: y\r\n"
        b"Connection: close\r\n\r\nbody"
    )
    assert response.encode(close=False, head=True).endswith(b"X: y\r\n\r\n")
