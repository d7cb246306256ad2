"""DNS: answers of one server process at 10,000 Services of our own API, asked by dnsperf; beside CoreDNS, if any."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable, Coroutine, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.report import Row, percentile
from sealane.dataplane.dns import wire
from sealane.dataplane.linux.netlink import Netlink, link_up
from sealane.kube import kinds
from sealane.kube.objects import Raw

SERVICES = 10_000
SECONDS = 5
STEADY_RATE = 10_000
"""Questions a second, of which the slowest of a hundred is looked at: half of what the slower server can."""
ROUNDS = 5
PORT, CORE_PORT, API_PORT = 5300, 5301, 5302
_INSIDE = "inside"

COREFILE = """.:{port} {{
    errors
    kubernetes cluster.local in-addr.arpa ip6.arpa {{
        {reach}
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
        ttl 30
    }}
    prometheus 127.0.0.1:{metrics}
    cache 30
    loadbalance
}}
"""
"""kubeadm's, without what has no part in these answers."""


def measure() -> Iterator[Row]:
    """Runs itself again inside a network namespace of its own, where nothing but loopback is."""
    if shutil.which("dnsperf") is None:
        raise RuntimeError("dnsperf is not installed (Debian: apt install dnsperf)")
    command = ["unshare", "--user", "--map-root-user", "--net", sys.executable, "-m", "benchmarks.dns", _INSIDE]
    done = subprocess.run(command, capture_output=True, text=True, timeout=180)
    if done.returncode:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    for line in done.stdout.splitlines():
        what, value, unit, goal, note = line.split("\t")
        yield Row(what, float(value), unit, goal, note)


def service(index: int, address: str = "") -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": f"svc-{index}", "namespace": f"ns-{index % 50}"},
        "spec": {
            "clusterIP": address or f"10.96.{index // 250}.{index % 250 + 1}",
            "ports": [{"name": "http", "port": 80}],
        },
    }


@dataclass(frozen=True)
class Figures:
    """rate: answers for each second of processor time. used: of a core."""

    rate: float
    lost: float
    used: float
    asked: float


def _inside() -> None:
    with Netlink() as netlink:
        netlink.apply([link_up(1)])
    cores = sorted(os.sched_getaffinity(0))
    with tempfile.TemporaryDirectory(prefix="sealane-bench-") as name:
        folder = Path(name)
        names = folder / "names.txt"
        names.write_text("".join(f"svc-{one}.ns-{one % 50}.svc.cluster.local A\n" for one in range(SERVICES)))
        ours, told = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.settimeout(10)
        children = [_fork(_api(folder, told), cores)]
        try:
            _until((folder / "filled").exists, "the API is not filled")
            children.append(_fork(_serve(folder), cores[:1]))
            os.sched_setaffinity(0, cores[1:] or cores)
            own = _figures(children[-1], PORT, names)
            note = f"{SERVICES:,} names, {own.lost:.0f} lost, {own.used:.0%} of a core used"
            _say("queries answered for each second of processor time", own.rate, "/s", "≥ 100,000", note)
            _say("queries answered, with what else this machine does", own.asked, "/s")
            _say(
                "an answer not asked for before, p50", _first_answers(), "ms", "", "one client, from question to answer"
            )
            changes = _changes(ours)
            _say("DNS answer changed after the API's, p99", changes, "ms", "≤ 10", "100 changes, one after another")
            ports = [PORT]
            if shutil.which("coredns") is not None:
                children.append(_coredns(folder, cores[0]))
                theirs = _figures(children[-1], CORE_PORT, names)
                _say("CoreDNS with its kubernetes plugin, the same", theirs.rate, "/s", "", _coredns_version())
                _say("queries for each second of processor time, against CoreDNS", own.rate / theirs.rate, "×", "≥ 4")
                ports.append(CORE_PORT)
            # In turns, for what else this machine does changes meanwhile.
            measured = [[percentile(_latencies(names, port), 0.99) for port in ports] for _ in range(ROUNDS)]
            own_p99, *others = (sorted(column)[ROUNDS // 2] for column in zip(*measured, strict=True))
            at = f"at {STEADY_RATE:,} questions a second, median of {ROUNDS}"
            _say("latency p99", own_p99, "ms", "", at)
            for other in others:
                _say("CoreDNS latency p99", other, "ms", "", at)
                _say("latency p99, against CoreDNS", own_p99 / other, "×", "≤ 0.9")
        finally:
            for pid in reversed(children):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _fork(work: Coroutine[Any, Any, None], cores: list[int]) -> int:
    pid = os.fork()
    if pid:
        work.close()
        return pid
    os.sched_setaffinity(0, cores)
    import uvloop

    try:
        uvloop.run(work)
    except BaseException:
        traceback.print_exc()
    finally:
        os._exit(1)


async def _api(folder: Path, control: socket.socket) -> None:
    """Our API with the Services in it; holds the sockets of the DNS process; changes the first Service when told to."""
    from sealane.apiserver.http.serving import serve
    from sealane.apiserver.local import LocalClient
    from sealane.apiserver.server import start_api
    from sealane.apiserver.storage.store import Store
    from sealane.cluster import pki
    from sealane.dataplane.dns.process import ROLE
    from sealane.dataplane.linux.handoff import Giver

    listener = socket.create_server(("127.0.0.1", API_PORT))
    credentials = pki.ensure(folder / "pki")
    pki.write_kubeconfig(folder / "kubeconfig", f"https://127.0.0.1:{API_PORT}", credentials, "bench")
    local = socket.socket(socket.AF_UNIX)  # As the processes of a cluster reach their API.
    local.bind(str(folder / "api.sock"))
    local.listen(16)
    pki.write_kubeconfig(folder / "kubeconfig.local", f"unix:{folder / 'api.sock'}", credentials, "bench")
    store = Store.open(folder / "store.db")
    api = start_api(store)
    client = LocalClient(api)
    for index in range(50):
        await client.create(kinds.NAMESPACE, {"metadata": {"name": f"ns-{index}"}})
    await client.create(kinds.NAMESPACE, {"metadata": {"name": "kube-system"}})
    corefile = COREFILE.format(port=53, reach="", metrics=9153)
    configmap = {"metadata": {"name": "coredns", "namespace": "kube-system"}, "data": {"Corefile": corefile}}
    await client.create(kinds.CONFIGMAP, configmap)
    for start in range(0, SERVICES, 100):
        await asyncio.gather(*(client.create(kinds.SERVICE, service(index)) for index in range(start, start + 100)))
    giver = Giver(str(folder / "handoff.sock"))
    await giver.start()
    udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    udp.bind(("127.0.0.1", PORT))
    giver.add(ROLE, "bench/coredns", [udp])
    loop = asyncio.get_running_loop()
    control.setblocking(False)
    serving = asyncio.create_task(
        serve(api, [listener, local], pki.server_context(credentials), frozenset({credentials.token}))
    )
    (folder / "filled").touch()
    while (
        not serving.done()
    ):  # Each packet is the new address of the first Service; the answer says that it is written.
        packet = await loop.sock_recv(control, 100)
        await client.delete(kinds.SERVICE, "ns-0", "svc-0")
        await client.create(kinds.SERVICE, service(0, packet.decode()))
        await loop.sock_sendall(control, b"written")


async def _serve(folder: Path) -> None:
    from sealane.dataplane.dns.process import serve
    from sealane.kube.client.http import HttpClient

    async with HttpClient.from_kubeconfig(folder / "kubeconfig.local") as client:
        await serve(client, str(folder / "handoff.sock"), "none")


def _coredns(folder: Path, core: int) -> int:
    corefile = folder / "Corefile"
    corefile.write_text(COREFILE.format(port=CORE_PORT, reach=f"kubeconfig {folder / 'kubeconfig'}", metrics=CORE_PORT))
    command = ["taskset", "-c", str(core), "coredns", "-conf", str(corefile)]
    started = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_one_core())
    return started.pid


def _one_core() -> Mapping[str, str]:
    return {**os.environ, "GOMAXPROCS": "1"}


def _coredns_version() -> str:
    done = subprocess.run(["coredns", "-version"], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[0].strip()


def _figures(pid: int, port: int, names: Path) -> Figures:
    last = f"svc-{SERVICES - 1}.ns-{(SERVICES - 1) % 50}.svc.cluster.local"
    _until(lambda: len(_ask(last, port)) == 4 and _ask(last, port) != bytes(4), f"nobody answers on port {port}")
    _dnsperf(names, port, 1)  # Every name is asked once, so that what is measured is the steady state.
    before = _processor_seconds(pid)
    found = _dnsperf(names, port, SECONDS)
    used = _processor_seconds(pid) - before
    return Figures(found["completed"] / used, found["lost"], used / SECONDS, found["rate"])


def _until(true: Callable[[], bool], otherwise: str) -> None:
    end = time.monotonic() + 60
    while not true():
        if time.monotonic() > end:
            raise RuntimeError(otherwise)
        time.sleep(0.05)


def _ask(name: str, port: int = PORT) -> bytes:
    """The address answered, b"" without an answer."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as client:
        client.settimeout(1)
        client.connect(("127.0.0.1", port))
        try:
            client.send(b"\1\2\1\0\0\1" + bytes(6) + wire.name_bytes(name) + b"\0\1\0\1")
            response = client.recv(512)
        except OSError:
            return b""
        return response[-4:] if response[3] & 0xF == 0 and response[7] else b""


def _first_answers() -> float:
    times = []
    for index in range(500):
        started = time.perf_counter()
        _ask(f"nothing-{index}.ns-1.svc.cluster.local")
        times.append((time.perf_counter() - started) * 1e3)
    return percentile(times, 0.5)


def _changes(control: socket.socket) -> float:
    times = []
    for index in range(100):
        address = f"10.96.200.{index + 1}"
        control.send(address.encode())
        control.recv(100)
        started = time.perf_counter()
        while _ask("svc-0.ns-0.svc.cluster.local") != socket.inet_aton(address):
            pass
        times.append((time.perf_counter() - started) * 1e3)
    return percentile(times, 0.99)


def _processor_seconds(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _dnsperf(names: Path, port: int, seconds: int) -> dict[str, float]:
    command = [
        "dnsperf",
        "-s",
        "127.0.0.1",
        "-p",
        str(port),
        "-d",
        str(names),
        "-l",
        str(seconds),
        "-c",
        "10",
        "-q",
        "200",
    ]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = {}
    for key, pattern in (
        ("rate", r"Queries per second:\s+([\d.]+)"),
        ("lost", r"Queries lost:\s+([\d.]+)"),
        ("completed", r"Queries completed:\s+([\d.]+)"),
    ):
        match = re.search(pattern, text)
        if match is None:
            raise RuntimeError(f"dnsperf said no {key}")
        found[key] = float(match[1])
    return found


def _latencies(names: Path, port: int) -> list[float]:
    """Milliseconds of each question at a steady rate."""
    command = ["dnsperf", "-s", "127.0.0.1", "-p", str(port), "-d", str(names), "-l", "2", "-c", "10", "-v"]
    command += ["-Q", str(STEADY_RATE)]
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    found = [float(line.split()[-1]) * 1e3 for line in text.splitlines() if line.startswith("> NOERROR")]
    if not found:
        raise RuntimeError("dnsperf said no latencies")
    return found


def _say(what: str, value: float, unit: str, goal: str = "", note: str = "") -> None:
    print(what, value, unit, goal, note, sep="\t", flush=True)


if __name__ == "__main__" and Path(sys.argv[-1]).name == _INSIDE:
    _inside()
