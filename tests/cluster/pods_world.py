"""A node agent with the real API, namespaces, stand-ins and spawner, in a process of its own. Run by test_pods.

python pods_world.py SCENARIO FOLDER
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import uvloop

from sealane.apiserver.access.keys import SigningKey
from sealane.apiserver.access.tokens import AccountTokens
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.cluster import pki
from sealane.dataplane.linux import namespaces, privileges, topology
from sealane.dataplane.linux.handoff import Giver
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.pods import spawner, standins
from sealane.dataplane.pods.agent import AgentSocket
from sealane.dataplane.pods.logfile import Query, Shown, read
from sealane.dataplane.pods.runtime import PodRuntime, Sources
from sealane.dataplane.pods.spawning import Spawner
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object
from sealane.network.addresses import plan_node
from sealane.reactive.collections import Graph
from sealane.reactive.informer import inform

NODES = {plan.name: plan for plan in (plan_node(1), plan_node(2))}
FOLLOWED = (kinds.POD, kinds.SERVICE, kinds.CONFIGMAP, kinds.SECRET)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.logs = folder / "logs"
        privileges.become_private(self.run)
        topology.create_outside(self.run, list(NODES.values()))
        for plan in NODES.values():
            topology.create_node(self.run, plan, list(NODES.values()))
        self.handoff = str(self.run / "handoff.sock")
        self.agent_socket = folder / "agent.sock"
        self.stand_ins = self.fork_stand_ins()
        self.channel = spawner.start()

    def fork_stand_ins(self) -> int:
        pid = os.fork()
        if pid == 0:
            try:
                uvloop.run(standins.serve(self.handoff))
            finally:
                os._exit(0)
        return pid

    async def start(self) -> None:
        self.store = Store.open(self.folder / "store.db")
        key = SigningKey(pki.ensure(self.folder / "pki").account_key)
        self.client = LocalClient(start_api(self.store, root_ca="the-ca", accounts=AccountTokens(self.store, key)))
        for name in ("default", "shop"):
            await self.client.create(kinds.NAMESPACE, {"metadata": {"name": name}})
        await self.start_agent(self.channel)

    async def start_agent(self, channel: Any) -> None:
        self.threads = {name: NamespaceThread(str(namespaces.path_of(self.run, name)), name) for name in NODES}
        self.giver = Giver(self.handoff)
        await self.giver.start(complete=False)
        self.informers = inform(self.client, Graph(), FOLLOWED)
        self.informers.start()
        await self.informers.synced()
        self.spawner = Spawner(channel)
        self.runtime = PodRuntime(
            self.client,
            NODES,
            self.threads,
            Sources(*(self.informers[kind] for kind in FOLLOWED)),
            self.giver,
            self.spawner,
            run_dir=self.run,
            log_dir=self.logs,
            hide=[str(self.folder)],
        )
        agent = AgentSocket(self.runtime, self.agent_socket)
        self.tasks = [asyncio.create_task(self.runtime.run()), asyncio.create_task(agent.run())]
        await self.runtime.ready.wait()

    async def stop_agent(self) -> None:
        """As a crash would: nothing of the pods is taken down but what dies with the agent."""
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)
        await self.informers.stop()
        self.giver.close()
        self.spawner.close()
        for thread in self.threads.values():
            thread.close()

    async def stop(self) -> None:
        await self.stop_agent()
        os.kill(self.stand_ins, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):  # the event loop has already waited for it
            os.waitpid(self.stand_ins, 0)
        self.store.close()

    def log(self, pod: Object, container: str = "c") -> str:
        """What a container printed; "" when nothing yet."""
        return Shown(Query()).feed(read(self.logs / f"{pod.uid}_{container}.log", 0)).decode()

    async def pod(self, name: str, *, node: str = "node-1", **spec: Any) -> Object:
        """A pod that is created and assigned; by default an nginx on port 80."""
        if "containers" not in spec:
            spec["containers"] = [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]
        metadata = {"name": name, "namespace": "shop", "labels": {"app": name}}
        raw = {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": node, **spec}}
        return await self.client.create(kinds.POD, raw)

    async def get(self, name: str) -> Object:
        return await self.client.get(kinds.POD, "shop", name)

    async def status(self, name: str) -> dict[str, Any]:
        return dict((await self.get(name)).status)

    async def container(self, name: str, index: int = 0) -> dict[str, Any]:
        statuses: list[dict[str, Any]] = (await self.status(name)).get("containerStatuses") or [{"state": {}}]
        return statuses[index]

    async def ready(self, name: str, seconds: float = 60.0) -> Object:
        async def is_ready() -> bool:
            conditions = (await self.status(name)).get("conditions") or []
            return any(one["type"] == "Ready" and one["status"] == "True" for one in conditions)

        await until(is_ready, f"{name} ready", seconds)
        return await self.get(name)

    async def gone(self, name: str, seconds: float = 60.0) -> float:
        async def is_gone() -> bool:
            try:
                await self.get(name)
            except ApiError as error:
                return error.code == 404
            return False

        return await until(is_gone, f"{name} gone", seconds)

    async def delete(self, name: str, grace: int = 30) -> None:
        await self.client.delete(kinds.POD, "shop", name, grace_seconds=grace)

    async def inside(self, pod: Object | str, *argv: str) -> str:
        """What a program prints that runs in a pod's (or named) network namespace."""
        space = pod if isinstance(pod, str) else topology.pod_namespace(pod.uid)

        def run() -> str:
            done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
            return done.stdout if done.returncode == 0 else f"{done.stdout}{done.stderr} (exit {done.returncode})"

        return await asyncio.to_thread(namespaces.inside, namespaces.path_of(self.run, space), run)

    async def ask(self, pod: Object | str, url: str) -> dict[str, Any]:
        """The stand-in's JSON answer to a GET from inside a pod."""
        answer = await self.inside(pod, "curl", "-s", "-m", "5", url)
        return dict(json.loads(answer))

    async def events(self, name: str) -> list[tuple[str, str]]:
        found = await self.client.list(kinds.EVENT, "shop")
        return [
            (one.raw["reason"], one.raw["message"]) for one in found.items if one.raw["involvedObject"]["name"] == name
        ]


async def until(condition: Callable[[], Any], what: str, seconds: float = 60.0) -> float:
    """Seconds that it took. Raises AssertionError naming what never came."""
    began = time.monotonic()
    while not await condition():
        assert time.monotonic() - began < seconds, f"not in {seconds}s: {what}"
        await asyncio.sleep(0.01)
    return time.monotonic() - began


def main() -> None:
    import pods_scenarios

    world = World(Path(sys.argv[2]))
    scenario = getattr(pods_scenarios, sys.argv[1])

    async def play() -> None:
        await world.start()
        try:
            await scenario(world)
        finally:
            await world.stop()

    uvloop.run(play())
    print("played")


if __name__ == "__main__":
    main()
