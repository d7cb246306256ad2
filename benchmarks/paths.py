"""Paths: through a ClusterIP against pod to pod, side by side.

Two nodes with the data plane's own links and rules, 10,000 other Services among them. Short rounds over the one way and
the other take turns, so that whatever else the machine does meets both. A connection is opened and reset: what is
counted is the kernel's work, and the same few microseconds of Python on both ways. One rule written by hand, with
nothing else in the kernel, says what the translation itself costs.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from typing import Any

from benchmarks import nft
from benchmarks.report import Row
from sealane.dataplane.linux import namespaces, privileges, topology
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.nft.libnftables import Nftables
from sealane.dataplane.nft.programmer import NftProgrammer
from sealane.kube.kinds import ENDPOINTSLICE, POD, SERVICE
from sealane.kube.objects import Object
from sealane.network.addresses import plan_node
from sealane.network.model import Network
from sealane.reactive.collections import Graph
from sealane.reactive.objects import Objects

OTHERS = 10_000
PORT, SINK = 8080, 8081
CONNECTS, CONNECT_ROUNDS = 100, 200
SECONDS, STREAM_ROUNDS = 0.05, 100
CHUNK = 1 << 18
CLUSTER_IP = "10.96.255.1"
BY_HAND = f"""add table ip by-hand
add chain ip by-hand pre {{ type nat hook prerouting priority dstnat; }}
add rule ip by-hand pre ip daddr {CLUSTER_IP} tcp dport {PORT} dnat to %s
"""
PODS = {"client": (0, 2), "near": (0, 3), "far": (1, 2)}
"""name → (node from 0, number in its range)."""
_RESET = struct.pack("ii", 1, 0)
_INSIDE = "inside"


def measure() -> Iterator[Row]:
    """Runs itself again in a process that becomes private."""
    with tempfile.TemporaryDirectory(prefix="sealane-bench-") as folder:
        command = [sys.executable, "-m", "benchmarks.paths", _INSIDE, f"{folder}/run"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
        for line in done.stdout.splitlines():
            what, value, unit, goal, note = line.split("\t")
            yield Row(what, float(value), unit, goal, note)


def _row(what: str, value: float, unit: str, goal: str = "", note: str = "") -> None:
    print(f"{what}\t{value}\t{unit}\t{goal}\t{note}", flush=True)


# The two ends


def _serve(net: Path) -> int:
    """A process in a pod that accepts on one port, and takes whatever comes on the other; its pid."""
    pid = os.fork()
    if pid:
        return pid
    try:
        accepting, sink = namespaces.inside(net, lambda: [socket.create_server(("", each)) for each in (PORT, SINK)])
        accepting.listen(4096)
        threading.Thread(target=_swallow, args=(sink,), daemon=True).start()
        while True:
            accepting.accept()[0].close()
    finally:
        os._exit(1)


def _swallow(sink: socket.socket) -> None:
    def take(connection: socket.socket) -> None:
        room = bytearray(CHUNK * 4)
        while connection.recv_into(room):
            pass

    while True:
        threading.Thread(target=take, args=(sink.accept()[0],), daemon=True).start()


def _connects(address: str) -> float:
    """Connections a second."""
    started = time.perf_counter()
    for _ in range(CONNECTS):
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            client.connect((address, PORT))
    return CONNECTS / (time.perf_counter() - started)


def _stream(address: str) -> Callable[[], float]:
    """A connection; each call sends for a while, and gives gigabits a second."""
    client = socket.create_connection((address, SINK))
    data = memoryview(bytes(CHUNK))

    def send() -> float:
        started, sent = time.perf_counter(), 0
        while time.perf_counter() - started < SECONDS:
            sent += client.send(data)
        return sent * 8e-9 / (time.perf_counter() - started)

    return send


def _compared(first: Callable[[], float], second: Callable[[], float], rounds: int) -> tuple[float, float, float]:
    """The medians of both, and that of second / first of each round; who goes first takes turns."""
    found: list[tuple[float, float]] = []
    first(), second()
    for index in range(rounds):
        if index % 2:
            later = second()
            found.append((first(), later))
        else:
            found.append((first(), second()))
    return (
        median(one for one, _ in found),
        median(other for _, other in found),
        median(other / one for one, other in found),
    )


def _measured(direct: str, where: str) -> None:
    plain, served, ratio = _compared(lambda: _connects(direct), lambda: _connects(CLUSTER_IP), CONNECT_ROUNDS)
    note = f"{served:,.0f} against {plain:,.0f} a second"
    _row(f"{where}: connects through a ClusterIP, against pod to pod", ratio, "×", "≥ 0.98", note)
    plain, served, ratio = _compared(_stream(direct), _stream(CLUSTER_IP), STREAM_ROUNDS)
    note = f"{served:.1f} against {plain:.1f} Gbit/s"
    _row(f"{where}: throughput through a ClusterIP, against pod to pod", ratio, "×", "≥ 0.97", note)


def _measured_by_hand(direct: str, where: str) -> None:
    plain, served, ratio = _compared(lambda: _connects(direct), lambda: _connects(CLUSTER_IP), CONNECT_ROUNDS)
    note = f"{served:,.0f} against {plain:,.0f} a second"
    _row(f"{where}: connects through one DNAT rule written by hand, against pod to pod", ratio, "×", "", note)


# The cluster


def _service(address: str) -> list[Object]:
    metadata = {"name": "measured", "namespace": "load"}
    ports: list[dict[str, Any]] = [{"name": str(port), "port": port, "protocol": "TCP"} for port in (PORT, SINK)]
    spec = {"clusterIP": CLUSTER_IP, "ports": ports}
    labels = {"kubernetes.io/service-name": "measured"}
    return [
        Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}),
        Object(
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**metadata, "labels": labels},
                "addressType": "IPv4",
                "ports": ports,
                "endpoints": [{"addresses": [address]}],
            }
        ),
    ]


async def _inside(run: Path) -> None:
    plans = [plan_node(1), plan_node(2)]
    threads = {plan.name: NamespaceThread(str(namespaces.path_of(run, plan.name)), plan.name) for plan in plans}
    graph = Graph()
    network = Network.of(Objects.of([], graph))
    sources = {kind.kind: network.objects[kind] for kind in (SERVICE, ENDPOINTSLICE, POD)}
    addresses = {name: str(plans[node].pod_cidrs[0][number]) for name, (node, number) in PODS.items()}
    with graph.batch():
        for index in range(OTHERS):
            for each in (nft.service(index), nft.slice_(index)):
                sources[each.kind].set(each.key, each)
        for name, (node, _) in PODS.items():
            status = {"phase": "Running", "podIPs": [{"ip": addresses[name]}]}
            spec = {"nodeName": plans[node].name, "containers": []}
            metadata = {"name": name, "namespace": "load"}
            pod = Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status})
            sources["Pod"].set(pod.key, pod)
    nodes = {plan.name: (plan, threads[plan.name]) for plan in plans}
    client = namespaces.path_of(run, topology.pod_namespace("client"))
    for name, where in (("far", "to another node"), ("near", "on one node")):
        threads["node-1"].call(lambda name=name: Nftables().run(BY_HAND % addresses[name]))
        await asyncio.to_thread(
            namespaces.inside, client, lambda name=name, where=where: _measured_by_hand(addresses[name], where)
        )
        threads["node-1"].call(lambda: Nftables().run("delete table ip by-hand\n"))
    programmer = NftProgrammer(network, nodes)
    task = asyncio.create_task(programmer.run())
    for name, where in (("far", "to another node"), ("near", "on one node")):
        with graph.batch():
            for each in _service(addresses[name]):
                sources[each.kind].set(each.key, each)
        await programmer.synced()
        await asyncio.to_thread(
            namespaces.inside, client, lambda name=name, where=where: _measured(addresses[name], where)
        )
    task.cancel()
    await asyncio.wait([task])
    await programmer.close()


def _main(run: Path) -> None:
    privileges.become_private(run)
    plans = [plan_node(1), plan_node(2)]
    topology.create_outside(run, plans)
    for plan in plans:
        topology.create_node(run, plan, plans)
    for name, (node, number) in PODS.items():
        thread = NamespaceThread(str(namespaces.path_of(run, plans[node].name)), name)
        links = thread.call(topology.NodeLinks, run, plans[node])
        thread.call(links.create_pod, topology.PodLink(name, tuple(cidr[number] for cidr in plans[node].pod_cidrs)))
        thread.call(links.close)
        thread.close()  # no thread may be there when the servers are forked
    servers = [_serve(namespaces.path_of(run, topology.pod_namespace(name))) for name in ("far", "near")]
    try:
        asyncio.run(_inside(run))
    finally:
        for pid in servers:
            os.kill(pid, signal.SIGKILL)
            os.waitpid(pid, 0)


if __name__ == "__main__" and sys.argv[1:2] == [_INSIDE]:
    _main(Path(sys.argv[2]))
