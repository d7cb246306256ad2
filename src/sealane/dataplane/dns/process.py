"""The DNS process: follows the API and serves the sockets of every coredns pod."""

from __future__ import annotations

import logging
import socket
from collections.abc import Iterable
from functools import cache

from sealane.dataplane.dns.configured import DEFAULT, Configured, Place, place_of
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.server import Server
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.upstream import parse_upstream
from sealane.dataplane.linux.handoff import Complete, Handed, Withdrawn, take
from sealane.kube import kinds
from sealane.kube.client import ApiError, Client
from sealane.network.addresses import DNS_SERVICE
from sealane.network.names import Zone, cluster_names
from sealane.network.names.records import pod_names, zone_apex
from sealane.reactive.collections import Graph, Source
from sealane.reactive.informer import Informer, Informers, inform
from sealane.reactive.recorder import Recorder

log = logging.getLogger(__name__)

ROLE = "dns"
"""The role under which the node agent hands over these sockets (`linux.handoff.Giver.add`)."""


async def serve(client: Client, handoff: str, upstream: str = "host") -> None:
    """Answers until cancelled, once the names of the cluster are known: earlier questions wait in the sockets.

    handoff: path of the node agent's hand-over socket. upstream: see `parse_upstream`. Raises ValueError for a bad one.
    """
    graph = Graph()
    informers = inform(client, graph, [kinds.SERVICE, kinds.ENDPOINTSLICE, kinds.NAMESPACE, kinds.CONFIGMAP])
    recorder = Recorder(client, "coredns")
    tables = _Tables(informers, Informer(client, kinds.POD, Source(graph, "pods")))
    configured = Configured(informers[kinds.CONFIGMAP], parse_upstream(upstream), tables.table, recorder.record)
    serving = _Serving(client, configured)
    informers.start()
    try:
        await informers.synced()
        log.info("answering for %d Services", len(informers[kinds.SERVICE]))
        await serving.run(handoff)
    finally:
        await configured.close()
        await recorder.stop()
        await informers.stop()
        await tables.pods.stop()
        serving.release(list(serving.held))


class _Tables:
    """The cluster's names as the `kubernetes` plugin of each server block wants them.

    pods: watched only once some block wants `pods verified`, for a cluster has many and they change often.
    """

    def __init__(self, informers: Informers, pods: Informer) -> None:
        self.pods = pods
        self._sources = [informers[kind] for kind in (kinds.SERVICE, kinds.ENDPOINTSLICE, kinds.NAMESPACE)]
        self._names = cache(cluster_names)
        self._pod_names = cache(pod_names)

    def table(self, wanted: Kubernetes) -> Table:
        domain = wanted.domain
        table = Table(Zone(domain, "insecure" if wanted.pods == "insecure" else "disabled"), wanted.ttl)
        table.change(None, zone_apex([str(address) for address in DNS_SERVICE], domain))
        services, slices, namespaces = self._sources
        for names in self._names(
            services,
            slices,
            namespaces,
            domain,
            only=wanted.namespaces,
            endpoints=wanted.endpoints,
            pod_names=wanted.pod_names,
        ):
            table.follow(names)
        if wanted.pods == "verified":
            self.pods.start()
            table.follow(self._pod_names(self.pods.source, domain, only=wanted.namespaces))
        return table


class _Serving:
    """Which sockets are served, and by whom. held: by the id under which they were handed over."""

    def __init__(self, client: Client, configured: Configured) -> None:
        self.held: dict[str, tuple[Server, tuple[socket.socket, ...]]] = {}
        self._client = client
        self._configured = configured

    async def run(self, handoff: str) -> None:
        async for event in take(handoff, ROLE):
            match event:
                case Handed(id_, facts, sockets):
                    server = self._configured.server(await self._place(facts.get("namespace"), facts.get("pod")))
                    self.release([id_])
                    self.held[id_] = server, sockets
                    server.serve(sockets)
                case Withdrawn(id_):
                    self.release([id_])
                case Complete(ids):
                    self.release(set(self.held) - ids)

    def release(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            if id_ in self.held:
                server, sockets = self.held.pop(id_)
                server.release(sockets)
                for sock in sockets:
                    sock.close()

    async def _place(self, namespace: str | None, pod: str | None) -> Place:
        if not namespace or not pod:
            return DEFAULT
        try:
            return place_of(await self._client.get(kinds.POD, namespace, pod))
        except (
            ApiError,
            OSError,
        ) as error:  # The pod is going, or the API is: its questions are answered all the same.
            log.warning("pod %s/%s: %s", namespace, pod, error)
            return DEFAULT
