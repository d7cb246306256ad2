"""A program that stands somewhere in a cluster and tries connections: a line of JSON in, a line of JSON out.

{"address": …, "port": …, "protocol": "TCP", "timeout": 1.0, "host": …, "tls": false, "count": 1, "local_port": 0}
→ [{"outcome": "answered", "who": "web-1", "seen": "10.244.1.5", …}, …], one for each of `count` tries.

address may be a name, which is resolved first. TCP asks HTTP of a stand-in, UDP sends a datagram; both answer who they
are, and TCP (and agnhost over UDP) what they saw. Standard library only: it runs wherever this machine's Python does.
"""

from __future__ import annotations

import errno
import json
import re
import socket
import ssl
import sys
from typing import Any

GREETING = re.compile(rb"(\S+)/(\S+) on (\S+) \((\S+)\): ")
_kept: dict[str, socket.socket] = {}


def attempt(asked: dict[str, Any]) -> dict[str, Any]:
    protocol = asked.get("protocol", "TCP")
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    try:
        found = socket.getaddrinfo(asked["address"], asked["port"], type=kind)
    except OSError as error:
        return {"outcome": "unresolved", "error": str(error)}
    family, _, _, _, where = found[0]
    resolved = sorted({each[4][0] for each in found})
    client = _kept.pop(asked["keep"]) if asked.get("keep") in _kept else socket.socket(family, kind)
    client.settimeout(asked.get("timeout", 2.0))
    try:
        client.connect(where)
        how = _datagram if protocol == "UDP" else _raw if "raw" in asked else _request
        answer = how(client, asked)
        return {"outcome": "answered", "address": where[0], "resolved": resolved, **answer}
    except TimeoutError:
        return {"outcome": "silent", "address": where[0], "resolved": resolved}
    except OSError as error:
        outcome = "refused" if error.errno in (errno.ECONNREFUSED, errno.ECONNRESET) else "unreachable"
        # What nobody answers to is a datagram lost: a node's own are dropped under its eyes (EPERM).
        outcome = "silent" if error.errno in (errno.EPERM, errno.ETIMEDOUT) else outcome
        return {"outcome": outcome, "error": str(error), "address": where[0], "resolved": resolved}
    finally:
        if asked.get("keep"):
            _kept[asked["keep"]] = client
        else:
            client.close()


def _datagram(client: socket.socket, asked: dict[str, Any]) -> dict[str, Any]:
    client.send(b"clientip")
    data = client.recv(2048)
    found = GREETING.match(data)
    return {"who": found[2].decode(), "node": found[3].decode()} if found else {"text": data.decode("utf-8", "replace")}


def _raw(client: socket.socket, asked: dict[str, Any]) -> dict[str, Any]:
    client.sendall(asked["raw"].encode())
    data = b""
    while asked["raw"].encode() not in data and (piece := client.recv(65536)):
        data += piece
    return {"text": data.decode("utf-8", "replace")}


def _request(client: socket.socket, asked: dict[str, Any]) -> dict[str, Any]:
    host = asked.get("host") or asked["address"]
    found: dict[str, Any] = {}
    if asked.get("tls"):
        context = ssl.create_default_context(cafile=asked.get("ca"))
        if not asked.get("ca"):
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        client = context.wrap_socket(client, server_hostname=host)
        found["tls"] = client.version()
    client.sendall(f"GET {asked.get('path', '/')} HTTP/1.1\r\nHost: {host}\r\nConnection: close\r\n\r\n".encode())
    data = b""
    while piece := client.recv(65536):
        data += piece
    head, _, body = data.partition(b"\r\n\r\n")
    if not head.startswith(b"HTTP/"):
        raise ConnectionResetError(errno.ECONNRESET, "closed")
    lines = head.decode().split("\r\n")
    found |= {"status": int(lines[0].split()[1]), "headers": dict(line.split(": ", 1) for line in lines[1:])}
    found["text"] = body.decode("utf-8", "replace")
    try:
        said = json.loads(body)
    except ValueError:
        return found
    if "pod" in said:
        found |= {"who": said["pod"], "node": said["node"], "seen": said["client"]["ip"], "port": said["port"]}
    return found


def main() -> None:
    for line in sys.stdin:
        asked = json.loads(line)
        print(json.dumps([attempt(asked) for _ in range(asked.get("count", 1))]), flush=True)


if __name__ == "__main__":
    main()
