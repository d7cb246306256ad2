"""The answers of a stand-in: request and facts in, response out. Pure.

echo: JSON that names the pod and says what it saw; `?delay=250ms` waits first, `?status=503` sets the status.
conformance: the answer of the Gateway API conformance images echo-basic and echo-advanced
    (https://github.com/kubernetes-sigs/gateway-api/tree/main/conformance/echo-basic).
netexec, hostname: agnhost's (https://github.com/kubernetes/kubernetes/tree/master/test/images/agnhost).
hostname-at-once: the name to whoever connects, before a word of theirs (agnhost serve-hostname --tcp).
text: a fixed text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import parse_qs, urlsplit

import msgspec

from sealane.dataplane.pods.standins.http import Request, Response


class Facts(msgspec.Struct, frozen=True):
    """The agent's facts about one container's sockets. ips: IPv4 first. log: path of the container's log.

    network: name of the network namespace. certificate: what it shows over TLS, with its key, as PEM; clients: the CAs
    of certificates that clients may show.
    """

    namespace: str
    pod: str
    node: str
    ips: list[str]
    container: str = ""
    hostname: str = ""
    log: str = ""
    env: dict[str, str] = {}
    draining: bool = False
    network: str = ""
    certificate: str = ""
    clients: str = ""
    sockets: list[Socket] = []


class Socket(msgspec.Struct, frozen=True):
    """The sockets of one hand-over in order, as `linux.topology.SocketPlan` and `images.Port` describe them."""

    protocol: str
    family: int
    port: int
    name: str = ""
    behaviour: str = "echo"
    options: dict[str, str] = {}


Client = tuple[str, int]


class Session(msgspec.Struct, frozen=True):
    """A connection's TLS. version: "TLSv1.3". server_name: as asked for. certificates: of the client, as PEM."""

    version: str
    server_name: str = ""
    protocol: str = ""
    cipher: str = ""
    certificates: tuple[str, ...] = ()


class Around(msgspec.Struct, frozen=True):
    """What an answer knows beside its request. attempts: requests so far by what their /retry/ calls them."""

    session: Session | None = None
    attempts: dict[str, int] = msgspec.field(default_factory=dict)


_DURATION = re.compile(r"(\d+(?:\.\d+)?)(ms|s)?")
_MAX_DELAY = 60.0


def respond(facts: Facts, socket: Socket, request: Request, client: Client, around: Around | None = None) -> Response:
    """The answer to one HTTP request. Counts it in `around`, when it is one that says how often it is to fail."""
    around = around or Around()
    if socket.behaviour == "conformance":
        return _conformance(facts, socket, request, client, around)
    return _HTTP.get(socket.behaviour, _echo)(facts, socket, request, client)


def reply(facts: Facts, socket: Socket, data: bytes, client: Client) -> bytes:
    """The answer to one datagram."""
    if socket.behaviour == "conformance":
        return json.dumps({"request": data.decode("utf-8", "replace"), **_context(facts)}).encode()
    if socket.behaviour == "hostname":
        return facts.hostname.encode()
    if socket.behaviour == "netexec":
        command, _, rest = data.decode("utf-8", "replace").strip().partition(" ")
        match command.lower():
            case "hostname":
                return facts.hostname.encode()
            case "echo":
                return rest.encode()
            case "clientip":
                return _address(client).encode()
    return greeting(facts) + data


def greeting(facts: Facts) -> bytes:
    """The text before the first bytes that are sent back over raw TCP, and before each datagram."""
    return f"{facts.namespace}/{facts.pod} on {facts.node} ({facts.ips[0] if facts.ips else '-'}): ".encode()


def _address(client: Client) -> str:
    return f"[{client[0]}]:{client[1]}" if ":" in client[0] else f"{client[0]}:{client[1]}"


def _json(body: Mapping[str, Any], **more: Any) -> Response:
    return Response(json.dumps(body, indent=1).encode() + b"\n", content_type="application/json", **more)


def _query(request: Request) -> dict[str, list[str]]:
    return parse_qs(urlsplit(request.target).query) if "?" in request.target else {}


def _delay(query: Mapping[str, list[str]]) -> float:
    match = _DURATION.fullmatch(query.get("delay", ["0"])[0])
    if match is None:
        return 0.0
    return min(float(match[1]) / (1000 if match[2] == "ms" else 1), _MAX_DELAY)


def _status(text: str) -> int:
    return int(text) if text.isdigit() and 200 <= int(text) <= 599 else 200


def _echo(facts: Facts, socket: Socket, request: Request, client: Client) -> Response:
    query = _query(request)
    fields: dict[str, str] = {}
    for name, value in request.fields:
        fields[name] = f"{fields[name]}, {value}" if name in fields else value
    body = {
        "pod": facts.pod,
        "namespace": facts.namespace,
        "node": facts.node,
        "ip": facts.ips[0] if facts.ips else "",
        "container": facts.container,
        "port": socket.port,
        "protocol": f"HTTP/{request.version}",
        "method": request.method,
        "path": request.target,
        "host": request.field("host"),
        "client": {"ip": client[0], "port": client[1]},
        "headers": fields,
        "bodyBytes": request.body,
    }
    return _json(body, status=_status(query.get("status", [""])[0]), delay=_delay(query))


def _conformance(facts: Facts, socket: Socket, request: Request, client: Client, around: Around) -> Response:
    path = request.path
    if path == "/health":
        return Response(b"OK")
    if path.startswith("/status/"):
        code = path.removeprefix("/status/")
        return Response(b"", status=int(code) if re.fullmatch(r"[2-9]\d\d", code) else 400)
    if path.startswith("/retry/") and (failed := _failing(_query(request), around.attempts)) is not None:
        return failed
    fields: dict[str, list[str]] = {}
    for name, value in request.fields:
        if name.lower() != "host":
            fields.setdefault("-".join(part.capitalize() for part in name.split("-")), []).append(value)
    set_fields = [
        (name.strip(), value.strip())
        for item in fields.get("X-Echo-Set-Header", [])
        for name, colon, value in (one.partition(":") for one in item.split(","))
        if colon
    ]
    body: dict[str, Any] = {
        "path": request.target,
        "host": request.field("host"),
        "method": request.method,
        "proto": f"HTTP/{request.version}",
        "headers": fields,
        "httpPort": str(socket.port),
        **_context(facts),
    }
    if around.session is not None:
        body["tls"] = _session(around.session)
    says = f"Echoing back request made to {request.target} to client ({_address(client)})"
    return _json(body, fields=set_fields, delay=_delay(_query(request)), says=says)


def _context(facts: Facts) -> dict[str, str]:
    env = facts.env
    return {
        "namespace": env.get("NAMESPACE", facts.namespace),
        "ingress": env.get("INGRESS_NAME", ""),
        "service": env.get("SERVICE_NAME", ""),
        "pod": env.get("POD_NAME", facts.pod),
    }


def _session(session: Session) -> dict[str, Any]:
    return {
        "version": session.version,
        "serverName": session.server_name,
        "cipherSuite": session.cipher,
        **({"negotiatedProtocol": session.protocol} if session.protocol else {}),
        **({"peerCertificates": list(session.certificates)} if session.certificates else {}),
    }


def _failing(query: Mapping[str, list[str]], attempts: dict[str, int]) -> Response | None:
    """What is answered while a request of this name has not failed often enough: a status, or a reset without one."""
    name, wanted = query.get("uuid", [""])[0], query.get("succeedAfter", [""])[0]
    if not name or not wanted.isdigit():
        return Response(b"uuid is required" if not name else b"succeedAfter is required", status=400)
    if attempts.get(name, 0) >= int(wanted):
        return None
    attempts[name] = attempts.get(name, 0) + 1
    code, delay = query.get("responseCode", [""])[0], _delay({"delay": query.get("delayRetry", ["0"])})
    if not code.isdigit():
        return Response(b"", delay=delay, reset=True)
    return Response(b"", status=int(code), delay=delay)


WELCOME = b"Gateway API Test TCP Server\n"
"""The first line of "conformance-lines", before the client has said anything."""


def said(facts: Facts, socket: Socket, line: bytes, session: Session | None) -> bytes:
    """The answer of "conformance-lines" to one line."""
    match line.strip():
        case b"PING":
            return b"PONG\n"
        case b"IS_TLS":
            return b"true\n" if session is not None else b"false\n"
        case b"TEST":
            body: dict[str, Any] = {**_context(facts), "tcpport": str(socket.port), "isTLS": session is not None}
            if session is not None:
                body["tls"] = {**_session(session), "version": session.version.replace("TLSv", "TLS ")}
            return json.dumps(body).encode() + b"\n"
    return b""


def _netexec(facts: Facts, socket: Socket, request: Request, client: Client) -> Response:
    query = _query(request)
    match request.path.lower():
        case "/hostname":
            return Response(facts.hostname.encode())
        case "/clientip":
            return Response(_address(client).encode())
        case "/echo":
            code = _status(query.get("code", [""])[0])
            return Response(query.get("msg", [""])[0].encode(), status=code)
        case "/header":
            return Response(request.field(query.get("key", [""])[0].lower()).encode())
        case "/redirect":
            where = query.get("location", ["/"])[0]
            return Response(b"", status=_status(query.get("code", ["302"])[0]), fields=(("Location", where),))
        case "/" | "/healthz" | "/readyz":
            return Response(b"NOW: " + facts.hostname.encode())
    return Response(b"404 page not found\n", status=404)


def _hostname(facts: Facts, socket: Socket, request: Request, client: Client) -> Response:
    return Response(facts.hostname.encode())


def _text(facts: Facts, socket: Socket, request: Request, client: Client) -> Response:
    return Response(socket.options.get("text", "").encode() + b"\n")


_HTTP: Mapping[str, Callable[[Facts, Socket, Request, Client], Response]] = {
    "echo": _echo,
    "netexec": _netexec,
    "hostname": _hostname,
    "text": _text,
}
