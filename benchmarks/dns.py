"""DNS: answers of one server process at 10,000 Services, asked by dnsperf."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Row, percentile
from sealane.cluster.bootstrap import COREFILE
from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import parse
from sealane.dataplane.dns.metrics import Metrics
from sealane.dataplane.dns.plugins.chain import configuration
from sealane.dataplane.dns.program import Program
from sealane.dataplane.dns.route import Outside, route
from sealane.dataplane.dns.server import Server
from sealane.dataplane.dns.table import Table
from sealane.dataplane.linux.netlink import Netlink, link_up
from sealane.kube.objects import Key, Object
from sealane.network.names import Zone, cluster_names
from sealane.reactive.collections import Graph, Source

SERVICES = 10_000
SECONDS = 5
PORT = 5300
_INSIDE = "inside"


def measure() -> Iterator[Row]:
    """Runs itself again inside a network namespace of its own, where nothing but loopback is."""
    if shutil.which("dnsperf") is None:
        raise RuntimeError("dnsperf is not installed (Debian: apt install dnsperf)")
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "benchmarks.dns", _INSIDE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    for line in done.stdout.splitlines():
        what, value, unit, goal, note = line.split("\t")
        yield Row(what, float(value), unit, goal, note)


def services() -> list[Object]:
    return [
        Object(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": f"svc-{index}", "namespace": f"ns-{index % 50}"},
                "spec": {
                    "clusterIP": f"10.96.{index // 250}.{index % 250 + 1}",
                    "ports": [{"name": "http", "port": 80}],
                },
            }
        )
        for index in range(SERVICES)
    ]


def _inside() -> None:
    with Netlink() as netlink:
        netlink.apply([link_up(1)])
    cores = sorted(os.sched_getaffinity(0))
    server = os.fork()
    if not server:
        os.sched_setaffinity(0, cores[:1])
        asyncio.run(_serve())
    try:
        os.sched_setaffinity(0, cores[1:] or cores)
        _wait_until_ready()
        with tempfile.NamedTemporaryFile("w", suffix=".txt") as names:
            for item in services():
                names.write(f"{item.name}.{item.namespace}.svc.cluster.local A\n")
            names.flush()
            _dnsperf(names.name, 1)  # Every name is asked once, so that what is measured is the steady state.
            before = _processor_seconds(server)
            found = _dnsperf(names.name, SECONDS)
            used = _processor_seconds(server) - before
        note = f"{SERVICES:,} names, {found['lost']:.0f} lost, {used / SECONDS:.0%} of a core used"
        _say("queries answered for each second of processor time", found["completed"] / used, "/s", "≥ 100,000", note)
        _say("queries answered, with what else this machine does", found["rate"], "/s")
        _say("mean latency under that load", found["latency"] * 1e3, "ms")
        _say("an answer not asked for before, p50", _first_answers(), "ms", "", "one client, from question to answer")
        _say("a change until the next answer has it, p99", _changes(), "ms", "≤ 10", "graph, zone, packet; no API")
    finally:
        os.kill(server, 9)
        os.waitpid(server, 0)


async def _serve() -> None:
    graph = Graph()
    sources = [Source[Key, Object](graph, name) for name in ("services", "slices", "namespaces")]
    table = Table(Zone())
    for names in cluster_names(*sources):
        table.follow(names)
    started = time.perf_counter()
    sources[0].replace({item.key: item for item in services()})
    _say(f"{SERVICES:,} Services into the zone", (time.perf_counter() - started) * 1e3, "ms")
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", PORT))
    udp.setblocking(False)
    program = Program(configuration(parse(COREFILE)), lambda *_: table)
    chains = program.configuration.chains
    Server(*(route(one, table, Outside(), Metrics(), "dns://:53") for one in chains)).serve([udp])
    control = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    control.bind(("127.0.0.1", PORT + 1))
    control.setblocking(False)
    loop = asyncio.get_running_loop()
    first = services()[0]
    while True:  # Each packet is the new address of the first Service.
        address = (await loop.sock_recv(control, 100)).decode()
        sources[0].set(first.key, Object({**first.raw, "spec": {**first.spec, "clusterIP": address}}))


def _wait_until_ready() -> None:
    for _ in range(1000):
        if _ask("svc-0.ns-0.svc.cluster.local"):
            return
        time.sleep(0.02)
    raise RuntimeError("the server did not start")


def _ask(name: str) -> bytes:
    """The address answered, b"" without an answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", PORT))
        try:
            client.send(b"\1\2\1\0\0\1" + bytes(6) + wire.name_bytes(name) + b"\0\1\0\1")
            return client.recv(512)[-4:]
        except OSError:
            return b""


def _first_answers() -> float:
    times = []
    for index in range(500):
        started = time.perf_counter()
        _ask(f"nothing-{index}.ns-1.svc.cluster.local")
        times.append((time.perf_counter() - started) * 1e3)
    return percentile(times, 0.5)


def _changes() -> float:
    times = []
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as control:
        control.connect(("127.0.0.1", PORT + 1))
        for index in range(100):
            address = f"10.97.0.{index + 1}"
            started = time.perf_counter()
            control.send(address.encode())
            while _ask("svc-0.ns-0.svc.cluster.local") != socket.inet_aton(address):
                pass
            times.append((time.perf_counter() - started) * 1e3)
    return percentile(times, 0.99)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _dnsperf(names: str, seconds: int) -> dict[str, float]:
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(PORT), "-d", names, "-l", str(seconds), "-c", "10", "-q", "200"]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for key, pattern in (
        ("rate", r"Queries per second:\s+([\d.]+)"),
        ("lost", r"Queries lost:\s+([\d.]+)"),
        ("completed", r"Queries completed:\s+([\d.]+)"),
        ("latency", r"Average Latency \(s\):\s+([\d.]+)"),
    ):
        match = re.search(pattern, text)
        if match is None:
            raise RuntimeError(f"dnsperf said no {key}")
        found[key] = float(match[1])
    return found


def _say(what: str, value: float, unit: str, goal: str = "", note: str = "") -> None:
    print(what, value, unit, goal, note, sep="\t", flush=True)


if __name__ == "__main__" and Path(sys.argv[-1]).name == _INSIDE:
    _inside()
