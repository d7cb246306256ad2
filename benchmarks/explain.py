"""Explaining: all pairs of pods under policies, and one trace."""

from __future__ import annotations

import random
import time
from collections.abc import Iterator

from benchmarks.report import Row
from sealane.explain.expect import expected
from sealane.explain.reach import pairs
from sealane.explain.trace import trace
from sealane.explain.world import World
from sealane.kube.objects import Object

# (pods, policies, seconds that netpol-analyzer 1.4 takes for as many workloads and policies on a machine like this)
SIZES = ((100, 20, 1.0), (300, 60, 12.0), (1000, 200, 300.0))


def measure() -> Iterator[Row]:
    for count, policies, other in SIZES:
        world = World(expected(cluster(count, policies), 10))
        started = time.perf_counter()
        found = sum(pair.allowed for pair in pairs(world))
        seconds = time.perf_counter() - started
        note = f"{found:,} of {count * count:,} pairs allowed"
        yield Row(f"who can reach whom, {count} pods × {policies} policies", seconds, "s", f"≤ {other / 10:g}", note)
    started = time.perf_counter()
    for _ in range(200):
        trace(world, "n1/p1", "svc/n2/web:80")
    yield Row("one trace in that cluster", (time.perf_counter() - started) * 1e3 / 200, "ms")


def cluster(count: int, policies: int) -> list[Object]:
    """Pods of a quarter as many applications in ten namespaces; each policy lets two kinds of peers in to one."""
    chance = random.Random(1)
    apps = count // 4
    made = []
    for index in range(count):
        labels = {"app": f"a{index % apps}", "tier": f"t{index % 5}"}
        metadata = {"name": f"p{index}", "namespace": f"n{index % 10}", "labels": labels}
        spec: dict[str, object] = {"containers": [{"name": "c", "ports": [{"containerPort": 80}]}]}
        made.append(Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}))
    for index in range(policies):
        tier, app = (
            {"matchLabels": {"tier": f"t{chance.randrange(5)}"}},
            {"matchLabels": {"app": f"a{chance.randrange(apps)}"}},
        )
        peers = [{"podSelector": tier}, {"namespaceSelector": {}, "podSelector": app}]
        spec = {
            "podSelector": {"matchLabels": {"app": f"a{chance.randrange(apps)}"}},
            "policyTypes": ["Ingress"],
            "ingress": [{"from": peers, "ports": [{"port": 80}]}],
        }
        metadata = {"name": f"policy-{index}", "namespace": f"n{index % 10}"}
        raw = {"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": metadata, "spec": spec}
        made.append(Object(raw))
    service = {"selector": {"tier": "t2"}, "ports": [{"port": 80}]}
    metadata = {"name": "web", "namespace": "n2"}
    made.append(Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": service}))
    return made
