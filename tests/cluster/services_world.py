"""A cluster, programs that stand in it and try connections, and what the model says about each try."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

import pytest

from sealane.cli.explain import deciding
from sealane.cluster import state
from sealane.explain.trace import trace
from sealane.explain.world import World
from sealane.kube import kinds
from sealane.kube.client.http import HttpClient
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw
from sealane.testing.cluster import Cluster

T = TypeVar("T")

VANTAGE = Path(__file__).with_name("vantage.py")

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: client-1, labels: {app: client}}
spec: {nodeName: node-1, containers: [{name: c, image: curlimages/curl}]}
---
apiVersion: v1
kind: Pod
metadata: {name: client-2, labels: {app: client}}
spec: {nodeName: node-2, containers: [{name: c, image: curlimages/curl}]}
---
apiVersion: v1
kind: Pod
metadata: {name: host-1}
spec: {nodeName: node-1, hostNetwork: true, containers: [{name: c, image: curlimages/curl}]}
"""
"""Where connections start: a pod on each of two nodes, a node itself (a pod of its network), and outside."""

OUTSIDE = """
import sys
from sealane.cli.run import outside
from sealane.cluster import state
sys.exit(outside(state.folder(sys.argv[1]), sys.argv[2:]))
"""
"""As `sealane run`, which would wait until all pods are ready."""

PLACES = {"client-1": "pod", "client-2": "pod", "host-1": "node/node-1", "outside": "outside"}


@dataclass
class Lab:
    """A running cluster with vantage points, started when first used."""

    cluster: Cluster
    _standing: dict[str, subprocess.Popen[str]] = field(default_factory=dict)
    _loop: asyncio.Runner = field(default_factory=asyncio.Runner)
    _client: HttpClient | None = None

    def api(self, ask: Callable[[HttpClient], Awaitable[T]]) -> T:
        """Asks the API over one connection that is kept: kubectl takes a quarter of a second each time."""

        async def asked() -> T:
            if self._client is None:
                kubeconfig = state.folder(self.cluster.name).local_kubeconfig
                self._client = await HttpClient.from_kubeconfig(kubeconfig).__aenter__()
            return await ask(self._client)

        return self._loop.run(asked())

    def close(self) -> None:
        if self._client is not None:
            self._loop.run(self._client.__aexit__(None, None, None))
        self._loop.close()
        for process in self._standing.values():
            assert process.stdin is not None
            process.stdin.close()
            process.wait(20)

    def ask(self, where: str, address: str, port: int, protocol: str = "TCP", **more: Any) -> list[dict[str, Any]]:
        """Tries connections from a place; see `vantage` for what can be asked and what comes back."""
        process = self._standing.get(where) or self._stand(where)
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(json.dumps({"address": address, "port": port, "protocol": protocol, **more}) + "\n")
        process.stdin.flush()
        line = process.stdout.readline()
        assert line, f"{where}: the program has ended with {process.poll()}"
        found: list[dict[str, Any]] = json.loads(line)
        return found

    def _stand(self, where: str) -> subprocess.Popen[str]:
        # Read here: a pod has a /tmp of its own, in which neither this repository nor its interpreter may be.
        name, program = self.cluster.name, [os.path.realpath(sys.executable), "-c", VANTAGE.read_text()]
        command = [sys.executable, "-m", "sealane", "exec", "--name", name, where, "--", *program]
        if where == "outside":
            command = [sys.executable, "-c", OUTSIDE, name, *program]
        process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._standing[where] = process
        return process

    def model(self) -> World:
        """The models of the cluster as it is now."""
        return World(self.api(deciding))

    # Objects

    def get(self, kind: Kind, name: str, namespace: str = "default") -> Raw:
        return self.api(lambda client: client.get(kind, namespace, name)).raw

    def service(self, name: str) -> Raw:
        return self.get(kinds.SERVICE, name)

    def cluster_ip(self, name: str, family: int = 4) -> str:
        addresses = self.service(name)["spec"]["clusterIPs"]
        return next(each for each in addresses if (":" in each) == (family == 6))

    def ingress(self, name: str) -> dict[str, Any]:
        found = self.service(name)["status"]["loadBalancer"].get("ingress")
        assert found, f"Service {name} has no address"
        return dict(found[0])

    def slices(self, service: str) -> list[dict[str, Any]]:
        listed = self.api(lambda client: client.list(kinds.ENDPOINTSLICE, "default")).items
        return [each.raw for each in listed if each.labels.get("kubernetes.io/service-name") == service]

    def events(self, name: str, kind: str = "Service") -> list[dict[str, Any]]:
        items = self.cluster.get("events", namespace="default")["items"]
        return [
            each for each in items if (each["involvedObject"]["kind"], each["involvedObject"]["name"]) == (kind, name)
        ]

    def kubectl(self, *arguments: str, stdin: str = "") -> str:
        return self.cluster.kubectl(*arguments, stdin=stdin).check().out

    def patch(
        self, name: str, patch: Raw, kind: Kind = kinds.SERVICE, namespace: str = "default", subresource: str = ""
    ) -> None:
        self.api(lambda client: client.patch(kind, namespace, name, patch, subresource=subresource))

    def create(self, kind: Kind, raw: Raw) -> Raw:
        return self.api(lambda client: client.create(kind, raw)).raw

    def refused(self, kind: Kind, raw: Raw) -> ApiError:
        """The error that the API answers a creation with."""
        with pytest.raises(ApiError) as caught:
            self.create(kind, raw)
        return caught.value

    def delete(self, kind: Kind, name: str, namespace: str = "default") -> None:
        self.api(lambda client: client.delete(kind, namespace, name))


@dataclass(frozen=True)
class Predicted:
    """What `trace` says: the outcomes there can be, who may answer, and which source addresses they may see."""

    outcomes: tuple[str, ...]
    who: frozenset[str]
    seen: frozenset[str]


def predict(world: World, where: str, address: str, port: int, protocol: str = "TCP") -> Predicted:
    place = PLACES.get(where, "pod")
    source = where if place == "pod" else place
    target = f"[{address}]" if ":" in address else address
    found = trace(world, source, f"{target}:{port}/{protocol}")
    pods = [each for each in found.endpoints if each.allowed]
    return Predicted(
        found.outcomes,
        frozenset(each.pod.partition("/")[2] or each.address for each in pods),
        frozenset(address for each in pods for address in each.seen),
    )
