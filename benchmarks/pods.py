"""Pods: from 200 creates to 200 ready pods, over the real API, and what they cost.

Three processes as in a cluster: the API (SQLite, every write durable), the node agent of 3 nodes, which speaks with it
over its Unix socket, the stand-ins. Whoever creates the pods speaks TLS.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import uvloop

from benchmarks.report import Row
from sealane.apiserver.http.serving import serve
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.cluster import memory, pki
from sealane.dataplane.linux import namespaces, privileges, topology
from sealane.dataplane.linux.handoff import Giver
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.pods import spawner, standins
from sealane.dataplane.pods.runtime import PodRuntime, Sources
from sealane.dataplane.pods.spawning import Spawner
from sealane.kube import kinds
from sealane.kube.client.http import HttpClient
from sealane.kube.objects import Object
from sealane.network.addresses import NodePlan, plan_node
from sealane.reactive.collections import Change, Graph
from sealane.reactive.informer import inform

PODS = 200
NODES = {plan.name: plan for plan in (plan_node(1), plan_node(2), plan_node(3))}
LINKS = 100
CREATORS = 16
FOLLOWED = (kinds.POD, kinds.SERVICE, kinds.CONFIGMAP, kinds.SECRET)
_INSIDE = "inside"


def measure() -> Iterator[Row]:
    """Runs itself again in a process that becomes private."""
    with tempfile.TemporaryDirectory(prefix="sealane-bench-") as folder:
        command = [sys.executable, "-m", "benchmarks.pods", _INSIDE, folder]
        done = subprocess.run(command, capture_output=True, text=True, timeout=180, check=False)
        if done.returncode:
            raise RuntimeError((done.stderr.strip().splitlines() or [f"exit {done.returncode}"])[-1])
        for line in done.stdout.splitlines():
            what, value, unit, goal, note = line.split("\t")
            yield Row(what, float(value), unit, goal, note)


def _print(row: Row) -> None:
    print(row.what, row.value, row.unit, row.goal, row.note, sep="\t", flush=True)


def _main(folder: Path) -> None:
    run = folder / "run"
    privileges.become_private(run)
    plans = list(NODES.values())
    began = time.perf_counter()
    topology.create_outside(run, plans)
    for plan in plans:
        topology.create_node(run, plan, plans)
    _print(Row("outside and 3 nodes: namespaces, links, routes", (time.perf_counter() - began) * 1e3, "ms"))
    handoff = str(run / "handoff.sock")
    listener = socket.create_server(("127.0.0.1", 0))
    credentials = pki.ensure(folder / "pki")
    kubeconfig = folder / "kubeconfig"
    pki.write_kubeconfig(kubeconfig, f"https://127.0.0.1:{listener.getsockname()[1]}", credentials, "bench")
    local = socket.socket(socket.AF_UNIX)
    local.bind(str(folder / "api.sock"))
    local.listen(16)
    pki.write_kubeconfig(folder / "kubeconfig.local", f"unix:{folder / 'api.sock'}", credentials, "bench")
    children = [
        _fork(lambda: uvloop.run(standins.serve(handoff, memory.settle))),
        _fork(lambda: _api(folder, [listener, local], credentials)),
    ]
    channel = spawner.start()
    try:
        threads = {name: NamespaceThread(str(namespaces.path_of(run, name)), name) for name in NODES}
        _links(run, threads["node-1"], NODES["node-1"])
        uvloop.run(_agent(run, folder, kubeconfig, handoff, threads, channel, children))
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)


def _fork(main: object) -> int:
    pid = os.fork()
    if pid == 0:
        try:
            main()  # type: ignore[operator]
        finally:
            os._exit(1)
    return pid


def _api(folder: Path, listening: list[socket.socket], credentials: pki.Credentials) -> None:
    async def run() -> None:
        memory.settle()  # as every process of a cluster
        api = start_api(Store.open(folder / "store.db"), root_ca=credentials.ca)
        await serve(api, listening, pki.server_context(credentials), frozenset({credentials.token}))

    uvloop.run(run())


def _links(run: Path, thread: NamespaceThread, plan: NodePlan) -> None:
    links = thread.call(topology.NodeLinks, run, plan)
    pods = [
        topology.PodLink(f"bench-{number}", (plan.pod_cidrs[0][number], plan.pod_cidrs[1][number]))
        for number in range(2, 2 + LINKS)
    ]
    began = time.perf_counter()
    for pod in pods:
        thread.call(links.create_pod, pod)
    each = (time.perf_counter() - began) / LINKS * 1e3
    _print(Row("a pod's namespace, veth, addresses and routes, one after another", each, "ms", "≤ 3"))
    began = time.perf_counter()
    for pod in pods:
        thread.call(links.delete_pod, pod.uid)
    _print(Row("… and its deletion", (time.perf_counter() - began) / LINKS * 1e3, "ms"))


async def _agent(
    run: Path,
    folder: Path,
    kubeconfig: Path,
    handoff: str,
    threads: dict[str, NamespaceThread],
    channel: socket.socket,
    children: Sequence[int],
) -> None:
    giver = Giver(handoff)
    await giver.start()
    async with (
        HttpClient.from_kubeconfig(kubeconfig.with_suffix(".local")) as client,
        HttpClient.from_kubeconfig(kubeconfig) as user,
    ):
        await client.create(kinds.NAMESPACE, {"metadata": {"name": "shop"}})
        informers = inform(client, Graph(), FOLLOWED)
        informers.start()
        await informers.synced()
        sources = Sources(*(informers[kind] for kind in FOLLOWED))
        runtime = PodRuntime(
            client, NODES, threads, sources, giver, Spawner(channel), run_dir=run, log_dir=folder / "logs"
        )
        running = asyncio.create_task(runtime.run())
        await runtime.ready.wait()
        memory.settle()
        ready: set[str] = set()
        all_ready = asyncio.Event()

        def receive(changes: Sequence[Change[object, Object]]) -> None:
            for change in changes:
                if change.new is not None and _is_ready(change.new):
                    ready.add(change.new.name)
            if len(ready) == PODS:
                all_ready.set()

        sources.pods.subscribe(receive)
        began = time.perf_counter()
        await asyncio.gather(*(_create(user, first) for first in range(CREATORS)))
        await all_ready.wait()
        each = (time.perf_counter() - began) / PODS * 1e3
        note = f"{PODS} pods on {len(NODES)} nodes: create, network, sockets, status and Events"
        _print(Row("a pod from create to Ready in the API", each, "ms", "≤ 4", note))
        _print(Row("the node agent's memory", _pss(os.getpid()), "MB", "", f"{PODS} pods"))
        _print(Row("the stand-ins' memory", _pss(children[0]), "MB", "", f"{PODS} pods"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        await informers.stop()


async def _create(client: HttpClient, first: int) -> None:
    names = list(NODES)
    for number in range(first, PODS, CREATORS):
        container = {"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}
        await client.create(
            kinds.POD,
            {
                "metadata": {"name": f"web-{number}", "namespace": "shop"},
                "spec": {"nodeName": names[number % len(names)], "containers": [container]},
            },
        )


def _is_ready(pod: Object) -> bool:
    conditions = pod.status.get("conditions") or ()
    return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)


def _pss(pid: int) -> float:
    """Megabytes, shared pages counted by share."""
    lines = Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("Pss:")) / 1024


if __name__ == "__main__" and sys.argv[1:2] == [_INSIDE]:
    _main(Path(sys.argv[2]))
