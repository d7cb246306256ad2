"""The DNS process: follows the API and serves the sockets of every coredns pod."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable

from sealane.dataplane.dns.server import Server
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.upstream import Upstream, parse_upstream
from sealane.dataplane.linux.handoff import Complete, Handed, Withdrawn, take
from sealane.kube import kinds
from sealane.kube.client import Client
from sealane.network.addresses import DNS_SERVICE
from sealane.network.names import Zone, cluster_names
from sealane.network.names.records import zone_apex
from sealane.reactive.collections import Graph
from sealane.reactive.informer import inform

log = logging.getLogger(__name__)

ROLE = "dns"
"""The role under which the node agent hands over these sockets (`linux.handoff.Giver.add`)."""


async def serve(client: Client, handoff: str, upstream: str = "host") -> None:
    """Answers until cancelled, once the names of the cluster are known: earlier questions wait in the sockets.

    handoff: path of the node agent's hand-over socket. upstream: see `parse_upstream`. Raises ValueError for a bad one.
    """
    graph = Graph()
    informers = inform(client, graph, [kinds.SERVICE, kinds.ENDPOINTSLICE, kinds.NAMESPACE])
    table = Table(Zone())
    table.change(None, zone_apex([str(address) for address in DNS_SERVICE]))
    for names in cluster_names(informers[kinds.SERVICE], informers[kinds.ENDPOINTSLICE], informers[kinds.NAMESPACE]):
        table.follow(names)
    server = Server(table, Upstream(parse_upstream(upstream)))
    held: dict[str, tuple[socket.socket, ...]] = {}
    informers.start()
    try:
        await informers.synced()
        log.info("answering for %d Services", len(informers[kinds.SERVICE]))
        await _serve_handed(server, handoff, held)
    finally:
        await server.close()
        await informers.stop()
        _release(server, held, list(held))


async def _serve_handed(server: Server, handoff: str, held: dict[str, tuple[socket.socket, ...]]) -> None:
    async for event in take(handoff, ROLE):
        match event:
            case Handed(id_, _, sockets):
                _release(server, held, [id_])
                held[id_] = sockets
                server.serve(sockets)
            case Withdrawn(id_):
                _release(server, held, [id_])
            case Complete(ids):
                _release(server, held, set(held) - ids)


def _release(server: Server, held: dict[str, tuple[socket.socket, ...]], ids: Iterable[str]) -> None:
    for id_ in ids:
        sockets = held.pop(id_, ())
        server.release(sockets)
        for sock in sockets:
            sock.close()
