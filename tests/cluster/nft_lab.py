"""Two nodes, outside, a few pods with real sockets, and the programmer between: a lab for packets.

Run as a script it plays one scenario of `nft_scenarios` inside namespaces of its own:

    python nft_lab.py SCENARIO RUN_DIR
"""

from __future__ import annotations

import asyncio
import socket
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sealane.dataplane.linux import namespaces, privileges, topology
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.nft.programmer import NftProgrammer
from sealane.kube.objects import Object
from sealane.network.addresses import plan_node
from sealane.network.model import Network
from sealane.network.services.hints import node_share, zone_capacity
from sealane.network.services.slices import endpoint_slices, pod_endpoint
from sealane.reactive.collections import Graph
from sealane.reactive.objects import Objects

PODS = {"a": (0, 2), "b": (0, 3), "c": (1, 2), "d": (1, 3)}
"""name → (node from 0, host number): a 10.244.1.2, b 10.244.1.3, c 10.244.2.2, d 10.244.2.3."""

SLOW, SLOW_SECONDS = b"slow", 0.5
"""A question of UDP that is answered later."""
Answer = tuple[str, str]
"""(who answered, the source address it saw); or ("refused" | "silent" | "unreachable", "")."""


class Lab:
    def __init__(self, run: Path) -> None:
        self.run_dir = run
        self.nodes = [plan_node(1), plan_node(2)]
        topology.create_outside(run, self.nodes)
        for node in self.nodes:
            topology.create_node(run, node, self.nodes)
        self.threads = {n.name: NamespaceThread(str(namespaces.path_of(run, n.name)), n.name) for n in self.nodes}
        for name, (index, host) in PODS.items():
            node = self.nodes[index]
            links = self.threads[node.name].call(topology.NodeLinks, run, node)
            self._serve(name, links, topology.PodLink(name, (node.pod_cidrs[0][host], node.pod_cidrs[1][host])))
        self.graph = Graph(on_error=self._failed)
        self.errors: list[Any] = []
        self.network = Network.of(Objects.of([], self.graph))
        self.programmer = NftProgrammer(
            self.network,
            {node.name: (node, self.threads[node.name]) for node in self.nodes},
            on_error=lambda node, error: self.errors.append((node, error)),
        )
        self.sources = {kind.kind: self.network.objects[kind] for kind in self.network.objects}
        self.put(
            Object({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop", "labels": {"team": "x"}}})
        )
        for name in PODS:
            self.put(self.pod(name))

    def _failed(self, name: str, key: Any, error: Exception) -> None:
        self.errors.append((name, key, error))

    def _serve(self, name: str, links: topology.NodeLinks, pod: topology.PodLink) -> None:
        thread = self.threads[self.nodes[PODS[name][0]].name]
        plans = [topology.SocketPlan(kind, family, 8080) for kind in ("TCP", "UDP") for family in (4, 6)]
        thread.call(links.create_pod, pod)
        net = namespaces.path_of(self.run_dir, topology.pod_namespace(pod.uid))
        for plan, listening in zip(plans, thread.call(topology.open_sockets, plans, net), strict=True):
            listening.setblocking(True)
            serve = _serve_tcp if plan.protocol == "TCP" else _serve_udp
            threading.Thread(target=serve, args=(listening, name), daemon=True).start()

    # Objects

    def put(self, *objects: Object) -> None:
        with self.graph.batch():
            for one in objects:
                self.sources[one.kind].set(one.key, one)

    def remove(self, *objects: Object) -> None:
        with self.graph.batch():
            for one in objects:
                self.sources[one.kind].remove(one.key)

    def address(self, pod: str, family: int = 4) -> str:
        index, host = PODS[pod]
        return str(self.nodes[index].pod_cidrs[0 if family == 4 else 1][host])

    def pod(self, name: str, **labels: str) -> Object:
        meta = {"name": name, "namespace": "shop", "labels": {"app": name, **labels}}
        node = self.nodes[PODS[name][0]].name
        ports = [{"name": "web", "containerPort": 8080}]
        ips = [{"ip": self.address(name, family)} for family in (4, 6)]
        spec = {"nodeName": node, "containers": [{"name": "c", "ports": ports}]}
        status = {"phase": "Running", "podIPs": ips}
        return Object({"apiVersion": "v1", "kind": "Pod", "metadata": meta, "spec": spec, "status": status})

    def node(self, index: int, zone: str) -> Object:
        labels = {"topology.kubernetes.io/zone": zone} if zone else {}
        meta = {"name": self.nodes[index].name, "labels": labels}
        return Object({"apiVersion": "v1", "kind": "Node", "metadata": meta, "status": {"allocatable": {"cpu": "2"}}})

    def made_slices(self, service: Object, *pods: str) -> list[Object]:
        """The slices that the cluster itself makes of these pods and the nodes' zones."""
        found = [pod_endpoint(with_condition(self.pod(pod))) for pod in pods]
        shares = {node.name: node_share(node) for node in self.sources["Node"].values()}
        made = endpoint_slices(
            service,
            [pod for pod in found if pod is not None],
            (),
            lambda node: shares[node].zone if node in shares else "",
            lambda: zone_capacity(shares.values()),
        )
        return [Object(raw) for raw in made.values()]

    def service(self, name: str = "web", ingress: str = "", protocol: str = "TCP", **spec: Any) -> Object:
        port = {"name": "web", "port": 80, "protocol": protocol, "nodePort": 30080}
        spec = {"clusterIP": "10.96.0.7", "clusterIPs": ["10.96.0.7", "fd00:10:96::7"], "ports": [port], **spec}
        status = {"loadBalancer": {"ingress": [{"ip": ingress}] if ingress else []}}
        meta = {"name": name, "namespace": "shop"}
        return Object({"apiVersion": "v1", "kind": "Service", "metadata": meta, "spec": spec, "status": status})

    def slices(
        self, *pods: str, service: str = "web", protocol: str = "TCP", name: str = "", **conditions: bool
    ) -> tuple[Object, ...]:
        return tuple(
            Object(
                {
                    "apiVersion": "discovery.k8s.io/v1",
                    "kind": "EndpointSlice",
                    "metadata": {
                        "name": f"{name or service}-{family}",
                        "namespace": "shop",
                        "labels": {"kubernetes.io/service-name": service},
                    },
                    "addressType": f"IPv{family}",
                    "ports": [{"name": "web", "port": 8080, "protocol": protocol}],
                    "endpoints": [
                        {
                            "addresses": [self.address(pod, family)],
                            "nodeName": self.nodes[PODS[pod][0]].name,
                            "conditions": conditions,
                        }
                        for pod in pods
                    ],
                }
            )
            for family in (4, 6)
        )

    def policy(self, name: str = "policy", **spec: Any) -> Object:
        meta = {"name": name, "namespace": "shop"}
        return Object({"apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy", "metadata": meta, "spec": spec})

    def cluster_policy(self, name: str, tier: str, priority: int = 0, app: str = "a", **rules: Any) -> Object:
        """About pods of `app` in every namespace."""
        subject = {"pods": {"podSelector": {"matchLabels": {"app": app}}}}
        return Object(
            {
                "apiVersion": "policy.networking.k8s.io/v1beta1",
                "kind": "ClusterNetworkPolicy",
                "metadata": {"name": name},
                "spec": {"tier": tier, "priority": priority, "subject": subject, **rules},
            }
        )

    # Packets

    async def run(self, where: str, *command: str) -> str:
        """What `command` prints in a namespace."""
        path = namespaces.path_of(self.run_dir, topology.pod_namespace(where) if where in PODS else where)
        done = await asyncio.to_thread(
            subprocess.run, ["nsenter", f"--net={path}", *command], capture_output=True, text=True, timeout=20
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    async def ask(self, where: str, address: str, port: int = 80, protocol: str = "TCP") -> Answer:
        """From a namespace (a pod's name, a node's name, "outside") to an address and port."""
        name = topology.pod_namespace(where) if where in PODS else where
        path = namespaces.path_of(self.run_dir, name)
        return await asyncio.to_thread(namespaces.inside, path, lambda: _ask(address, port, protocol))

    async def spread(self, where: str, address: str, port: int = 80, count: int = 60) -> Counter[str]:
        name = topology.pod_namespace(where) if where in PODS else where
        path = namespaces.path_of(self.run_dir, name)
        many: Callable[[], list[str]] = lambda: [_ask(address, port, "TCP")[0] for _ in range(count)]  # noqa: E731
        return Counter(await asyncio.to_thread(namespaces.inside, path, many))

    def udp_client(self, where: str, address: str, port: int = 80) -> Callable[[], str]:
        """Asks from one and the same socket each time it is called; who answered."""
        client = self.udp_socket(where, address, port)

        def ask() -> str:
            try:
                client.send(b"?")
                return client.recv(100).decode().partition(" ")[0]
            except TimeoutError:
                return "silent"
            except ConnectionRefusedError:
                return "refused"

        return ask

    def udp_socket(self, where: str, address: str, port: int = 80) -> socket.socket:
        name = topology.pod_namespace(where) if where in PODS else where
        kind = socket.AF_INET6 if ":" in address else socket.AF_INET
        path = namespaces.path_of(self.run_dir, name)
        client = namespaces.inside(path, lambda: socket.socket(kind, socket.SOCK_DGRAM))
        client.settimeout(0.4)
        client.connect((address, port))
        return client

    async def consistent(self) -> None:
        """Every node's kernel holds what the ledgers say."""
        for node in self.threads:
            found = await self.programmer.differences(node)
            assert not found, found
        assert not self.errors, self.errors


def with_condition(pod: Object) -> Object:
    conditions = [{"type": "Ready", "status": "True"}]
    return Object({**pod.raw, "status": {**pod.status, "conditions": conditions}})


def _serve_tcp(listening: socket.socket, name: str) -> None:
    while True:
        peer, address = listening.accept()
        peer.sendall(f"{name} {address[0]}".encode())
        peer.close()


def _serve_udp(bound: socket.socket, name: str) -> None:
    while True:
        question, address = bound.recvfrom(100)
        if question == SLOW:
            time.sleep(SLOW_SECONDS)
        bound.sendto(f"{name} {address[0]}".encode(), address)


def _ask(address: str, port: int, protocol: str) -> Answer:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    kind = socket.SOCK_STREAM if protocol == "TCP" else socket.SOCK_DGRAM
    with socket.socket(family, kind) as client:
        client.settimeout(0.4)
        try:
            client.connect((address, port))
            if protocol == "UDP":
                client.send(b"?")
            who, _, seen = client.recv(100).decode().partition(" ")
        except ConnectionRefusedError:
            return "refused", ""
        except TimeoutError:
            return "silent", ""
        except OSError as error:
            return f"unreachable {error.errno}", ""
        return who, seen


async def play(scenario: Callable[[Lab], Any], run: Path) -> None:
    lab = Lab(run)
    task = asyncio.create_task(lab.programmer.run())
    await lab.programmer.synced()
    await scenario(lab)
    await lab.consistent()
    task.cancel()
    await asyncio.wait([task])
    await lab.programmer.close()


if __name__ == "__main__":
    import nft_scenarios

    privileges.become_private(Path(sys.argv[2]))
    asyncio.run(play(nft_scenarios.SCENARIOS[sys.argv[1]], Path(sys.argv[2])))
    print("played to the end")
    sys.stdout.flush()
    import os

    os._exit(0)  # threads of the servers still wait
