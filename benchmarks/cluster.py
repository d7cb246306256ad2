"""The cluster as a whole: start, pods, memory, and from an API write to the kernel.

Everything is measured from outside, through the `sealane` command and HTTP, as a user would with a stopwatch.
"""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

from benchmarks.report import Row, percentile
from sealane.cluster.memory import ROUND_SECONDS
from sealane.kube import kinds
from sealane.kube.client.http import HttpClient
from sealane.kube.objects import Raw
from sealane.testing.cluster import Cluster

SHOP = Path(__file__).parents[1] / "examples/shop"

WAITER = """
import socket, sys, time
for line in sys.stdin:
    address = (line.split()[0], int(line.split()[1]))
    while True:
        with socket.socket() as sock:
            sock.settimeout(2)
            if sock.connect_ex(address) == 0:
                print(time.monotonic(), flush=True)
                break
"""


def measure() -> Iterator[Row]:
    yield from start_up()
    yield from pods()
    yield from api_to_kernel()


def start_up(runs: int = 5) -> Iterator[Row]:
    """From the start of the command to the first 200 through the Gateway, as seen from the host."""
    took = []
    for number in range(runs):
        cluster = Cluster(f"bench-{os.getpid()}-{number}")
        began = time.monotonic()
        process = subprocess.Popen(
            [sys.executable, "-m", "sealane", "up", str(SHOP), "--name", cluster.name, "--dns-upstream", "none"],
            stdout=subprocess.DEVNULL,
        )
        try:
            took.append(_first_answer(cluster.name) - began)
            process.wait(60)
        finally:
            cluster.stop()
    yield Row(
        "up examples/shop (9 pods, 3 nodes, Gateway) to the first 200",
        percentile(took, 0.5),
        "s",
        "≤ 0.9",
        f"median of {runs}, {min(took):.2f}–{max(took):.2f}",
    )


def _first_answer(name: str) -> float:
    """When the Gateway's mirror on loopback first answered 200."""
    from sealane.cluster import host_access, state

    folder = state.folder(name)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline:
        for mirror in host_access.read(folder.mirrors):
            connection = HTTPConnection(mirror.host, mirror.host_port, timeout=1)
            try:
                connection.request("GET", "/", headers={"Host": "shop.example.com"})
                if connection.getresponse().status == 200:
                    return time.monotonic()
            except OSError:
                pass
            finally:
                connection.close()
        time.sleep(0.003)
    raise TimeoutError("no answer through the Gateway in 60 s")


def pods(count: int = 200) -> Iterator[Row]:
    cluster = Cluster(f"bench-{os.getpid()}-pods")
    try:
        cluster.sealane("up", "--dns-upstream", "none").check()
        time.sleep(ROUND_SECONDS * 1.5)  # what was needed for the start alone is given back
        yield Row("memory of all processes, idle, shared pages once, no Envoy", memory(cluster), "MB", "≤ 120")
        began = time.monotonic()
        cluster.apply(_deployment(count))
        took = time.monotonic() - began
        yield Row(
            f"{count} pods of one Deployment, from the command to all ready, each", took / count * 1000, "ms", "≤ 4"
        )
        yield Row(f"memory with {count} pods", memory(cluster), "MB")
        began = time.monotonic()
        cluster.stop()
        yield Row(f"down with {count} pods", time.monotonic() - began, "s")
    finally:
        cluster.sealane("down")


def _deployment(replicas: int) -> str:
    return json.dumps(
        {
            "apiVersion": "apps/v1",
            "kind": "Deployment",
            "metadata": {"name": "many"},
            "spec": {
                "replicas": replicas,
                "selector": {"matchLabels": {"app": "many"}},
                "template": {
                    "metadata": {"labels": {"app": "many"}},
                    "spec": {"containers": [{"name": "web", "image": "web", "ports": [{"containerPort": 8080}]}]},
                },
            },
        }
    )


def memory(cluster: Cluster) -> float:
    """Proportional set size of all processes of the cluster (and what they started), MB."""
    roots = {each["pid"] for each in cluster.status()["processes"] if each["role"] != "envoy"}
    parents = {}
    for path in Path("/proc").iterdir():
        if path.name.isdigit():
            try:
                parents[int(path.name)] = int((path / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
    family = {pid for pid in parents if pid in roots}
    while grown := {
        pid for pid, parent in parents.items() if parent in family and pid not in family and not _envoy(pid)
    }:
        family |= grown
    return sum(_pss(pid) for pid in family) / 1024


def _envoy(pid: int) -> bool:
    return b"envoy" in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")[0]


def _pss(pid: int) -> int:
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Pss:"):
            return int(line.split()[1])
    return 0


def api_to_kernel(rounds: int = 100) -> Iterator[Row]:
    """An EndpointSlice is written; a pod that tries all the time connects through the ClusterIP."""
    cluster = Cluster(f"bench-{os.getpid()}-api")
    try:
        cluster.sealane("up", "--dns-upstream", "none").check()
        cluster.apply(_deployment(2))
        took = asyncio.run(_endpoint_changes(cluster, rounds))
    finally:
        cluster.sealane("down")
    yield Row(
        "endpoint added: API write sent to first connection through the ClusterIP, p50",
        percentile(took, 0.5),
        "ms",
        "≤ 5",
    )
    yield Row("… p99", percentile(took, 0.99), "ms", "≤ 8")


async def _endpoint_changes(cluster: Cluster, rounds: int) -> list[float]:
    client = HttpClient.from_kubeconfig(cluster.kubeconfig)
    address = next(each["ips"][0] for each in cluster.status()["pods"] if each["name"].startswith("many"))
    service: Raw = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "by-hand", "namespace": "default"},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    }
    vip = (await client.create(kinds.SERVICE, service)).spec["clusterIP"]
    piece: Raw = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": "by-hand-1",
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": "by-hand"},
        },
        "addressType": "IPv4",
        "endpoints": [],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }
    await client.create(kinds.ENDPOINTSLICE, piece)
    waiter = subprocess.Popen(
        [
            sys.executable,
            "-m",
            "sealane",
            "exec",
            "--name",
            cluster.name,
            "deploy/many",
            "--",
            os.path.realpath(sys.executable),  # a pod's /tmp is its own, so a venv there is not seen
            "-c",
            WAITER,
        ],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert waiter.stdin is not None
    assert waiter.stdout is not None
    took = []
    try:
        waiter.stdin.write("10.96.0.1 443\n")  # answered at once: from then on it is running
        waiter.stdin.flush()
        waiter.stdout.readline()
        for _ in range(rounds):
            waiter.stdin.write(f"{vip} 80\n")
            waiter.stdin.flush()
            await asyncio.sleep(0.03)
            endpoints = [{"addresses": [address], "conditions": {"ready": True}}]
            began = time.monotonic()
            await client.patch(kinds.ENDPOINTSLICE, "default", "by-hand-1", {"endpoints": endpoints})
            line = await asyncio.get_running_loop().run_in_executor(None, waiter.stdout.readline)
            took.append((float(line) - began) * 1000)
            await client.patch(kinds.ENDPOINTSLICE, "default", "by-hand-1", {"endpoints": []})
            await asyncio.sleep(0.03)
    finally:
        waiter.stdin.close()
        waiter.wait(10)
        await client.close()
    return took
