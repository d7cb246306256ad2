"""Streams: connections and datagrams that pass through a proxy without a look into them.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `TLSRoute`, `TCPRoute`, `UDPRoute`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple, Protocol

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts
from sealane.network.routes.model.http import Backend
from sealane.network.routes.model.l4 import PortKey, Transport


class StreamKey(NamedTuple):
    """Where connections or datagrams come in that are passed on. hostname: as TLS asks for it, "" for any."""

    proxy: Key
    port: int
    transport: Transport
    hostname: str = ""


@dataclass(frozen=True, slots=True)
class Stream:
    """Connections or datagrams go to one of `backends` by weight; where there is none to choose, they end.

    age: (creationTimestamp, namespace, name) of the route: of several at one place the oldest serves.
    """

    key: StreamKey
    backends: tuple[Backend, ...]
    origin: Provenance
    age: tuple[str, str, str]


class Streams(Protocol):
    """Streams by key: a dict, or a collection."""

    def get(self, key: StreamKey, /) -> Stream | None: ...


def stream_for(streams: Streams, port: PortKey, name: str) -> Stream | None:
    """The stream that takes a connection at `port`. name: the server name that a TLS client asks for, or ""."""
    for hostname in hosts.candidates(name):
        found = streams.get(StreamKey(port.proxy, port.port, port.transport, hostname))
        if found is not None:
            return found
    return None
