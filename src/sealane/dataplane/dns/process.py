"""The DNS process: follows the API and serves the sockets of every coredns pod."""

from __future__ import annotations

import gc
import logging
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from sealane.dataplane.dns.configured import Configured
from sealane.dataplane.dns.counted import counted
from sealane.dataplane.dns.instance import Instance
from sealane.dataplane.dns.journal import Journal
from sealane.dataplane.dns.metrics import Metrics
from sealane.dataplane.dns.mounted import DEFAULT, Place, place_of
from sealane.dataplane.dns.nodecache import BASE_COREFILE, BASE_FLAGS, NodeCache, node_cache
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.public import PublicNames
from sealane.dataplane.dns.surroundings import Surroundings, Untrack
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.upstream import parse_upstream
from sealane.dataplane.linux.handoff import Changed, Complete, Handed, Wishes, Withdrawn, take
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.objects import Key, Object
from sealane.kube.times import seconds
from sealane.network.addresses import DNS_SERVICE
from sealane.network.model import Network
from sealane.network.names import Zone
from sealane.network.names.records import zone_apex
from sealane.network.pods import own_addresses
from sealane.reactive.collections import ByIndex, Change, Graph, Source
from sealane.reactive.informer import Informers, inform
from sealane.reactive.recorder import Recorder

log = logging.getLogger(__name__)

ROLE = "dns"
"""The role under which the node agent hands over these sockets (`linux.handoff.Giver.add`)."""
TRIGGERED = "endpoints.kubernetes.io/last-change-trigger-time"
"""The annotation of an EndpointSlice that says when what it follows changed."""


async def serve(
    client: Client,
    handoff: str,
    upstream: str = "host",
    run_dir: Path | None = None,
    untrack: Untrack | None = None,
) -> None:
    """Answers until cancelled, once the names of the cluster are known: earlier questions wait in the sockets.

    handoff: path of the node agent's hand-over socket. upstream: see `parse_upstream`. Raises ValueError for a bad one.
    run_dir: where the network namespaces of pods are; None when there are none but this process' own.
    untrack: lets a node answer DNS at an address that a Service has, too.
    """
    graph = Graph()
    metrics = Metrics()
    client = counted(client, metrics)
    informers = inform(client, graph)
    recorder = Recorder(client, "coredns")
    tables = _Tables(informers)
    configured = Configured(informers[kinds.CONFIGMAP], tables.table, recorder.record)
    public = PublicNames(informers)
    surroundings = Surroundings(parse_upstream(upstream), run_dir, tables.namespace_of, public, untrack)
    serving = _Serving(client, configured, surroundings, metrics, recorder, tables.unready, informers[kinds.SERVICE])
    unedited = informers[kinds.SERVICE].subscribe(serving.services_changed)
    measured = informers[kinds.ENDPOINTSLICE].subscribe(_Programming(metrics, informers[kinds.SERVICE]).changed)
    informers.start()
    try:
        await informers.synced()
        gc.freeze()  # The collector need not look again and again at what stays: an answer would wait for it.
        log.info("answering for %d Services", len(informers[kinds.SERVICE]))
        await serving.run(handoff)
    finally:
        measured()
        unedited()
        await serving.release(list(serving.held))
        configured.close()
        await recorder.stop()
        await informers.stop()


class _Tables:
    """The cluster's names as the `kubernetes` plugin of each server block wants them.

    Pods are asked for only once some block wants `pods verified`, for a cluster has many and they change often.
    """

    def __init__(self, informers: Informers) -> None:
        self._informers = informers
        self._network = Network.of(informers)
        self._names = self._network.names

    def table(self, wanted: Kubernetes, balanced: bool) -> Table:
        domain = wanted.domain
        # A secondary server must find the number grown after a restart, too.
        zone = Zone(domain, "insecure" if wanted.pods == "insecure" else "disabled", int(time.time()))
        table = Table(zone, wanted.ttl, wanted.zones, balanced=balanced)
        table.change(None, zone_apex([str(address) for address in DNS_SERVICE], domain))
        for names in self._names.of(
            domain,
            only=wanted.namespaces,
            labels=wanted.labels,
            namespace_labels=wanted.namespace_labels,
            endpoints=wanted.endpoints,
            pod_names=wanted.pod_names,
            empty=wanted.empty,
        ):
            table.follow(names)
        if wanted.pods == "verified":
            table.follow(self._network.pod_names.of(domain, only=wanted.namespaces))
        return table

    def unready(self) -> Sequence[str]:
        """Plugins that do not know yet what they answer from."""
        waits = kinds.POD in self._informers and not self._informers.is_synced(kinds.POD)
        return ("kubernetes",) if waits else ()

    def namespace_of(self, address: str) -> str:
        """Of the pod that has an address; "" when there is none."""
        if kinds.POD not in self._informers:
            return ""
        found = self._informers[kinds.POD].select(ByIndex(own_addresses, address))
        return found[0].namespace if found else ""


class _Programming:
    """Measures how long it took from a change of endpoints until their names were answered."""

    def __init__(self, metrics: Metrics, services: Source[Key, Object]) -> None:
        self._metrics = metrics
        self._services = services
        self._started = time.time()

    def changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        for change in changes:
            triggered = change.new.annotations.get(TRIGGERED) if change.new is not None else None
            since = seconds(triggered) if triggered else None
            if change.new is None or since is None or since < self._started:
                continue
            name = change.new.labels.get("kubernetes.io/service-name", "")
            service = self._services.get(Key("", "Service", change.new.namespace, name))
            if service is not None and service.spec.get("clusterIP") == "None":
                kind = "headless_with_selector" if service.spec.get("selector") else "headless_without_selector"
                took = max(0.0, time.time() - since)
                self._metrics.observe("coredns_kubernetes_dns_programming_duration_seconds", kind, value=took)


class _Serving:
    """The containers that are served. held: by the id under which they were handed over."""

    def __init__(
        self,
        client: Client,
        configured: Configured,
        surroundings: Surroundings,
        metrics: Metrics,
        recorder: Recorder,
        unready: Callable[[], Sequence[str]],
        services: Source[Key, Object],
    ) -> None:
        self.held: dict[str, Instance] = {}
        self._services = services
        self._caches: dict[str, tuple[str, NodeCache]] = {}  # by id: the node, and what it is told
        self._client = client
        self._configured = configured
        self._surroundings = surroundings
        self._metrics = metrics
        self._recorder = recorder
        self._unready = unready
        self._wishes = Wishes()

    async def run(self, handoff: str) -> None:
        async for event in take(handoff, ROLE, self._wishes):
            match event:
                case Handed(id_, facts, _):
                    await self.release([id_])
                    await self._begin(event, facts)
                case Withdrawn(id_):
                    await self.release([id_])
                case Complete(ids):
                    await self.release(set(self.held) - ids)
                case Changed():
                    pass  # That it is going: it answers until its sockets are taken away.

    async def release(self, ids: Iterable[str]) -> None:
        for id_ in ids:
            self._wishes.forget(id_)
            instance = self.held.pop(id_, None)
            if instance is not None:
                self._configured.remove(instance)
                await instance.close()
            if id_ in self._caches:
                node, cache_ = self._caches.pop(id_)
                self._surroundings.detach(node, cache_.addresses)

    def services_changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        """The Service that node-local caches ask may have another address now."""
        if self._caches and any(change.key.namespace == "kube-system" for change in changes):
            self._configured.edited()

    def _address_of(self, service: str) -> str:
        found = self._services.get(Key("", "Service", "kube-system", service))
        return str(found.spec.get("clusterIP") or "") if found is not None else ""

    async def _begin(self, handed: Handed, facts: Mapping[str, Any]) -> None:
        pod = await self._pod(facts.get("namespace"), facts.get("pod"))
        env: Mapping[str, str] = facts.get("env") or {}

        def tell(type_: str, reason: str, message: str) -> None:
            if pod is not None:
                self._recorder.record(pod, type_, reason, message)

        network = facts.get("network") or ""
        cache_ = node_cache(pod, facts.get("container", "")) if pod is not None else None
        if cache_ is not None:
            network = facts["node"]
            self._caches[handed.id] = network, cache_
            try:
                self._surroundings.attach(network, cache_.addresses)
            except OSError as error:
                tell("Warning", "FailedToListen", f"{', '.join(cache_.addresses)}: {error}")
        instance = self.held[handed.id] = Instance(
            handed.id,
            handed.sockets,
            self._surroundings.opener(network, facts.get("ips") or ()),
            self._surroundings.outside(network, pod),
            Metrics(self._metrics),
            Journal(facts.get("log") or ""),
            tell,
            self._unready,
            lambda seconds: self._wishes.linger(handed.id, seconds),
        )
        if pod is not None and cache_ is not None:
            base = Place(pod.namespace, (), BASE_COREFILE, variant=",".join((cache_.upstream, *cache_.addresses)))
            place = replace(place_of(pod, env, BASE_FLAGS, base), variant=base.variant)
            self._configured.add(instance, place, lambda text: cache_.edited(text, self._address_of), cache_.corefile())
        else:
            self._configured.add(instance, place_of(pod, env) if pod is not None else DEFAULT)

    async def _pod(self, namespace: str | None, name: str | None) -> Object | None:
        if not namespace or not name:
            return None
        try:
            return await self._client.get(kinds.POD, namespace, name)
        except (ApiError, OSError) as error:
            # The pod is going, or the API is: its questions are answered all the same.
            log.warning("pod %s/%s: %s", namespace, name, error)
            return None
