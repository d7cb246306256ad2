"""nftables: Services × 3 endpoints in the kernel of one node.

Full sync: from models to a kernel that holds them, as at the start of a node. Then single endpoint changes, at several
sizes, to see that their cost does not grow.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
import time
from collections.abc import Iterator
from statistics import median
from typing import Any

from benchmarks.report import Row, percentile
from sealane.cluster import memory
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.nft import policies, services
from sealane.dataplane.nft.kernel import Kernel
from sealane.dataplane.nft.ledger import Ledger, Phases
from sealane.dataplane.nft.libnftables import Nftables
from sealane.dataplane.nft.programmer import NftProgrammer
from sealane.dataplane.nft.steps import Step
from sealane.kube.kinds import ENDPOINTSLICE
from sealane.kube.objects import Key, Object
from sealane.network.addresses import plan_node
from sealane.network.model import Network
from sealane.network.services import Place, derive_services
from sealane.reactive.collections import Graph, Source

SIZES = (100, 10_000, 30_000)
FULL_GOAL = {10_000: "≤ 0.2", 30_000: "≤ 0.6"}
CHANGES = 200
_INSIDE = "inside"


def measure() -> Iterator[Row]:
    """Runs itself again inside a network namespace of its own, once for each size."""
    changes: dict[str, list[float]] = {}
    for size in SIZES:
        unshare = ["unshare", "--net"]
        command = [*unshare, sys.executable, "-m", "benchmarks.nft", _INSIDE, str(size)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=300)
        if done.returncode:
            last = done.stderr.strip().splitlines()[-1:] or [f"exit {done.returncode}"]
            raise RuntimeError(last[0])
        for line in done.stdout.splitlines():
            what, value, unit, goal, note = line.split("\t")
            yield Row(what, float(value), unit, goal, note)
            changes.setdefault(what.partition(": ")[2], []).append(float(value))
    for what in ("one endpoint, kernel", "one endpoint, all the way"):
        first, *_, last = changes[what]
        yield Row(f"{what}: {SIZES[-1]:,} Services against {SIZES[0]}", last / first, "×")


def service(index: int) -> Object:
    return Object(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": f"svc-{index}", "namespace": "load"},
            "spec": {"clusterIP": _address(96, index), "ports": [{"port": 80}]},
        }
    )


def slice_(index: int, ready: int = 3) -> Object:
    return Object(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {
                "name": f"svc-{index}-x",
                "namespace": "load",
                "labels": {"kubernetes.io/service-name": f"svc-{index}"},
            },
            "addressType": "IPv4",
            "ports": [{"name": "", "port": 8080, "protocol": "TCP"}],
            "endpoints": [
                {"addresses": [_address(128, index * 3 + n)], "nodeName": "node-1", "conditions": {"ready": n < ready}}
                for n in range(3)
            ],
        }
    )


def _address(second: int, number: int) -> str:
    return f"10.{second + number // 62500}.{number // 250 % 250}.{number % 250 + 1}"


def _row(what: str, value: float, unit: str, goal: str = "", note: str = "") -> None:
    print(f"{what}\t{value}\t{unit}\t{goal}\t{note}", flush=True)


def _parts(size: int, thread: NamespaceThread, objects: Any) -> None:
    """What the full sync is made of, and one endpoint's change as the kernel sees it."""
    graph = Graph()
    sources: list[Source[Key, Object]] = [Source(graph, "services"), Source(graph, "slices")]
    started = time.perf_counter()
    with graph.batch():
        for source, values in zip(sources, objects, strict=True):
            source.replace(values)
        models = derive_services(sources[0], sources[1])
    _row(f"{size:,} Services: objects to models", time.perf_counter() - started, "s")
    ledger = Ledger()
    started = time.perf_counter()
    for key, model in models.items():
        ledger.put(key, services.service_facts(model, Place(""), {})[0])
    _row(f"{size:,} Services: models to facts", time.perf_counter() - started, "s")
    step = Step(ledger.everything())
    started = time.perf_counter()
    written = sum(map(len, step.messages("")))
    note = f"{written / 1e6:.1f} MB"
    _row(f"{size:,} Services: facts to netlink messages", time.perf_counter() - started, "s", note=note)
    kernel = Kernel()
    started = time.perf_counter()
    thread.call(kernel.rewrite, [step])
    _row(f"{size:,} Services: messages to kernel", time.perf_counter() - started, "s")
    name = next(name for name in ledger.elements if " endpoints4 " in name)
    times = []
    for index in range(CHANGES):
        step = Step(Phases(removed=(name,), added={name: f"10.200.0.{index % 250 + 1} . 8080"}))
        times.append(thread.call(_timed, kernel, step) * 1000)
    _row(f"{size:,} Services: one endpoint, kernel", median(times), "ms", "≤ 0.3", f"p99 {percentile(times, 0.99):.2f}")
    tables = [f"delete table inet {table}\n" for table in (services.TABLE, policies.TABLE)]
    nft = thread.call(Nftables)
    thread.call(nft.run, "".join(tables))
    thread.call(nft.close)
    thread.call(kernel.close)


def _timed(kernel: Kernel, step: Step) -> float:
    started = time.perf_counter()
    kernel.change([step])
    return time.perf_counter() - started


async def _programmer(size: int, thread: NamespaceThread, objects: Any) -> None:
    """The whole way: from a change of a collection to the kernel."""
    network = Network.of([*objects[0].values(), *objects[1].values()])
    network.services  # noqa: B018 - made before the clock runs
    started = time.perf_counter()
    programmer = NftProgrammer(network, {"node-1": (plan_node(1), thread)})
    task = asyncio.create_task(programmer.run())
    await programmer.synced()
    _row(
        f"{size:,} Services: full sync", time.perf_counter() - started, "s", FULL_GOAL.get(size, ""), "models to kernel"
    )
    times = []
    for index in range(CHANGES):
        changed = slice_(index % 50, 2 + index // 50 % 2)
        started = time.perf_counter()
        network.objects[ENDPOINTSLICE].set(changed.key, changed)
        await programmer.synced()
        times.append((time.perf_counter() - started) * 1000)
    note = f"p99 {percentile(times, 0.99):.2f}; EndpointSlice to kernel"
    _row(f"{size:,} Services: one endpoint, all the way", median(times), "ms", "≤ 5", note)
    found = await programmer.differences("node-1")
    assert not found, found[:3]
    task.cancel()
    await asyncio.wait([task])
    await programmer.close()


def _inside(size: int) -> None:
    thread = NamespaceThread("/proc/self/ns/net", "node-1")
    objects = (
        {one.key: one for one in map(service, range(size))},
        {one.key: one for one in map(slice_, range(size))},
    )
    memory.settle()  # as the node agent
    _parts(size, thread, objects)
    asyncio.run(_programmer(size, thread, objects))
    thread.close()


if __name__ == "__main__" and sys.argv[1:2] == [_INSIDE]:
    _inside(int(sys.argv[2]))
