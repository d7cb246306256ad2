"""reactive: 10,000 pods and 1,000 Services that select them; and the controllers built on it."""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from benchmarks.report import Row, percentile
from sealane.kube.objects import Key, Object, Raw
from sealane.kube.selectors import LabelSelector
from sealane.network.services.derive_slices import derive_endpoints
from sealane.reactive.collections import Derived, Fetch, Graph, Source, derive

PODS, SERVICES, CHANGES = 10_000, 1_000, 2_000


@dataclass(frozen=True)
class Cluster:
    graph: Graph
    pods: Source[Key, Object]
    services: Source[Key, Object]
    nodes: Source[Key, Object]
    slices: Source[Key, Object]


def measure() -> Iterable[Row]:
    yield from _plain()
    yield from _endpoint_slices()


def _plain() -> Iterator[Row]:
    """The mechanism alone: for each Service, its pods and whether they are ready."""
    cluster = _cluster()

    def members(_key: Key, service: Object, fetch: Fetch) -> tuple[tuple[str, str], ...]:
        selector = LabelSelector.of_labels(service.spec["selector"])
        found = fetch(cluster.pods, namespace=service.namespace, selector=selector)
        return tuple((pod.name, pod.status["conditions"][0]["status"]) for pod in found)

    started = time.perf_counter()
    derived = derive("members", cluster.services, members)
    first = time.perf_counter() - started
    each = f"{PODS:,} pods, {SERVICES:,} Services"
    yield Row("first computation", first, "s", "≤ 0.5", each)
    times, touched = _changes(cluster, derived)
    yield Row(
        "one pod's change", statistics.median(times) * 1e3, "ms", "≤ 0.3", "median: derived, and told to a subscriber"
    )
    yield Row("one pod's change, p99", percentile(times, 0.99) * 1e3, "ms")
    yield Row("Services recomputed for it", touched, "", "≤ 1", "one selects it")


def _endpoint_slices() -> Iterator[Row]:
    """What the control plane does with it: whole EndpointSlices."""
    cluster = _cluster()
    started = time.perf_counter()
    by_hand: Source[Key, Object] = Source(cluster.graph, "endpoints")
    model = derive_endpoints(cluster.services, cluster.pods, cluster.nodes, cluster.slices, by_hand)
    yield Row("EndpointSlices and Endpoints of all Services", time.perf_counter() - started, "s")
    times, _ = _changes(cluster, model.slices)
    yield Row("one pod's change to its slice", statistics.median(times) * 1e3, "ms", "≤ 1", "10 endpoints a slice")


def _changes(cluster: Cluster, derived: Derived[Key, Object, Key, object]) -> tuple[list[float], float]:
    """Seconds for each change, and outputs recomputed for each."""
    told: list[int] = []
    derived.subscribe(lambda changes: told.append(len(changes)), replay=False)
    before = derived.recomputed
    times: list[float] = []
    keys = list(cluster.pods)
    for number in range(CHANGES):
        key = keys[number * 7919 % PODS]
        old = cluster.pods.get(key)
        assert old is not None
        new = Object(_pod(key.name, dict(old.labels), ready=number % 2 == 1, version=PODS + number))
        started = time.perf_counter()
        cluster.pods.set(key, new)
        times.append(time.perf_counter() - started)
    assert told, "no change came through"
    return times, (derived.recomputed - before) / CHANGES


def _cluster() -> Cluster:
    graph = Graph()
    cluster = Cluster(
        graph,
        Source[Key, Object](graph, "pods"),
        Source[Key, Object](graph, "services"),
        Source[Key, Object](graph, "nodes"),
        Source[Key, Object](graph, "slices"),
    )
    with graph.batch():
        for number in range(SERVICES):
            service = Object(_service(f"service-{number}"))
            cluster.services.set(service.key, service)
        for number in range(PODS):
            labels = {"app": f"service-{number % SERVICES}", "pod-template-hash": "abcdef", "tier": "web"}
            pod = Object(_pod(f"pod-{number}", labels, ready=True, version=number))
            cluster.pods.set(pod.key, pod)
    return cluster


def _service(name: str) -> Raw:
    spec = {
        "selector": {"app": name},
        "clusterIP": "10.96.0.5",
        "ipFamilies": ["IPv4"],
        "ports": [{"name": "http", "port": 80, "targetPort": 8080, "protocol": "TCP"}],
    }
    metadata = {"name": name, "namespace": "bench", "uid": name, "resourceVersion": "1"}
    return {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}


def _pod(name: str, labels: dict[str, str], *, ready: bool, version: int) -> Raw:
    metadata = {"name": name, "namespace": "bench", "uid": name, "labels": labels, "resourceVersion": str(version)}
    status = {
        "phase": "Running",
        "podIPs": [{"ip": f"10.244.{hash(name) % 250}.{version % 250}"}],
        "conditions": [{"type": "Ready", "status": str(ready)}],
    }
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": {"nodeName": "node-1", "containers": [{"name": "c"}]},
        "status": status,
    }
