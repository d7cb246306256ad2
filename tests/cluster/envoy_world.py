"""A small world for tests and benchmarks of the Envoy back end: one node, some pods, one real Envoy; no API.

Run inside a process of its own (`become_private` moves it). The backends answer with what they saw, as JSON.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sealane.dataplane.envoy import ads, bootstrap
from sealane.dataplane.linux import namespaces, privileges, topology
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.kube.objects import Key, Object
from sealane.network.addresses import plan_node
from sealane.network.model import Network
from sealane.network.routes.routing import Routing
from sealane.reactive.collections import Graph, Source
from sealane.reactive.objects import Objects

GATEWAY_UID = "gateway"


@dataclass(frozen=True, slots=True)
class Answer:
    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def seen(self) -> Any:
        """What the backend says it saw: {"pod", "method", "path", "headers", "peer"}."""
        return json.loads(self.body)


class World:
    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.run = folder / "run"
        self.graph = Graph()
        network = Network.of(Objects.of([], self.graph))
        self.routing: Routing = network.routes
        self.objects = network.objects
        self.listening: Source[str, bool] = Source(self.graph, "listening")
        self.servers: dict[str, asyncio.Server] = {}
        self.xds = str(folder / "xds.sock")
        self.gateway_ip = ""
        self._concurrency = 2
        self._hosts = iter(range(2, 250))
        self._connections: dict[str, set[asyncio.StreamWriter]] = {}
        self.ips: dict[str, str] = {}
        self.ads: asyncio.Task[None] | None = None
        self.envoy: asyncio.subprocess.Process | None = None
        self._starting: asyncio.Task[None] | None = None

    async def start(self, *, concurrency: int = 2) -> None:
        await self.start_network()
        self.gateway_ip = self.pod(GATEWAY_UID)
        self._concurrency = concurrency
        self.serve_xds()

    async def start_network(self) -> None:
        privileges.become_private(self.run)
        self.node = plan_node(1)
        topology.create_outside(self.run, [self.node])
        topology.create_node(self.run, self.node, [self.node])
        self.thread = NamespaceThread(str(namespaces.path_of(self.run, self.node.name)), self.node.name)
        self.links = await self.thread.run(topology.NodeLinks, self.run, self.node)
        self.pod("client")

    def serve_xds(self) -> None:
        """Starts (again) what the control plane does for Envoy."""
        self.ads = asyncio.create_task(
            ads.serve(self.routing, self.xds, self.netns, on_needed=self._on_needed, listening=self.listening)
        )

    def _on_needed(self) -> None:
        if self._starting is None:
            self._starting = asyncio.create_task(self._start_envoy())

    async def _start_envoy(self) -> None:
        self.envoy = await asyncio.create_subprocess_exec(
            *bootstrap.command(self.xds, admin_socket=str(self.folder / "admin.sock"), concurrency=self._concurrency)
        )

    async def stop_xds(self) -> None:
        if self.ads is None:
            return
        self.ads.cancel()
        with suppress(asyncio.CancelledError):
            await self.ads

    async def stop(self) -> None:
        if self.envoy is not None:
            with suppress(ProcessLookupError):
                self.envoy.send_signal(signal.SIGKILL)
            await self.envoy.wait()
        await self.stop_xds()
        for server in self.servers.values():
            server.close()

    def netns(self, uid: str) -> str:
        return str(namespaces.path_of(self.run, topology.pod_namespace(uid)))

    # Objects

    def set(self, *raws: Mapping[str, Any]) -> None:
        """Adds or replaces objects, in one batch."""
        with self.graph.batch():
            for raw in raws:
                item = Object(dict(raw))
                self._followed()[item.kind].set(item.key, item)

    def _followed(self) -> dict[str, Source[Key, Object]]:
        return {kind.kind: source for kind, source in self.objects.items()}

    def remove(self, kind: str, namespace: str, name: str) -> None:
        for source in self._followed().values():
            for key in [key for key in source if key[1:] == (kind, namespace, name)]:
                source.remove(key)

    def gateway(self, *listeners: Mapping[str, Any]) -> None:
        """Gateway shop/web with a pod that is up."""
        self.set(
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "GatewayClass",
                "metadata": {"name": "sealane"},
                "spec": {"controllerName": "sealane.dev/gateway-controller"},
            },
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "Gateway",
                "metadata": {"namespace": "shop", "name": "web"},
                "spec": {
                    "gatewayClassName": "sealane",
                    "listeners": [{"name": f"l{i}", "protocol": "HTTP", **item} for i, item in enumerate(listeners)],
                },
            },
            self.proxy_pod("shop", "web-1", GATEWAY_UID, {"gateway.networking.k8s.io/gateway-name": "web"}),
        )

    def proxy_pod(self, namespace: str, name: str, uid: str, labels: Mapping[str, str]) -> dict[str, Any]:
        return {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"namespace": namespace, "name": name, "uid": uid, "labels": dict(labels)},
            "spec": {"containers": [{"name": "envoy", "image": "sealane/envoy"}]},
            "status": {"phase": "Running", "podIP": self.ips[uid]},
        }

    def route(self, name: str, hostnames: Sequence[str], rules: Sequence[Any]) -> None:
        self.set(
            {
                "apiVersion": "gateway.networking.k8s.io/v1",
                "kind": "HTTPRoute",
                "metadata": {"namespace": "shop", "name": name},
                "spec": {"parentRefs": [{"name": "web"}], "hostnames": list(hostnames), "rules": list(rules)},
            }
        )

    def service(self, name: str, pods: Sequence[str], *, ready: Callable[[str], bool] = lambda _pod: True) -> None:
        """Service shop/NAME port 80 with these pods (port 8000) as endpoints."""
        endpoints = [{"addresses": [self.ips[pod]], "conditions": {"ready": ready(pod)}} for pod in pods]
        self.set(
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"namespace": "shop", "name": name},
                "spec": {"ports": [{"name": "http", "port": 80}]},
            },
            {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {
                    "namespace": "shop",
                    "name": f"{name}-1",
                    "labels": {"kubernetes.io/service-name": name},
                },
                "addressType": "IPv4",
                "ports": [{"name": "http", "port": 8000}],
                "endpoints": endpoints,
            },
        )

    # Pods

    def pod(self, uid: str, *ports: int) -> str:
        """Makes a pod; its IPv4 address."""
        return self._pod(uid, ports)[0]

    def _pod(self, uid: str, ports: Sequence[int]) -> tuple[str, list[socket.socket]]:
        host = next(self._hosts)
        addresses = tuple(cidr[host] for cidr in self.node.pod_cidrs)
        plans = [topology.SocketPlan("TCP", 4, port) for port in ports]
        self.thread.call(self.links.create_pod, topology.PodLink(uid, addresses))
        made = namespaces.inside(self.netns(uid), lambda: topology.open_sockets(plans))
        self.ips[uid] = str(addresses[0])
        return self.ips[uid], made

    async def backend(self, uid: str) -> str:
        """A pod that answers HTTP on port 8000."""
        ip, (listening,) = self._pod(uid, [8000])
        self._connections[uid] = set()

        async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            self._connections[uid].add(writer)
            try:
                await _serve(uid, reader, writer)
            finally:
                self._connections.get(uid, set()).discard(writer)
                writer.close()

        self.servers[uid] = await asyncio.start_server(serve, sock=listening)
        return ip

    async def kill(self, uid: str) -> None:
        """The pod ends: its server closes, then its network goes."""
        self.servers.pop(uid).close()
        for writer in list(self._connections.pop(uid)):
            writer.close()
        await self.thread.run(self.links.delete_pod, uid)

    # Requests

    async def connect(
        self, port: int = 80, *, ip: str = "", from_: str = "client", tls: tuple[ssl.SSLContext, str] | None = None
    ) -> Client:
        """tls: with the server name to ask for."""
        made = namespaces.inside(self.netns(from_), lambda: socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        made.setblocking(False)
        await asyncio.get_running_loop().sock_connect(made, (ip or self.gateway_ip, port))
        if tls is None:
            return Client(*await asyncio.open_connection(sock=made))
        return Client(*await asyncio.open_connection(sock=made, ssl=tls[0], server_hostname=tls[1]))

    async def get(self, host: str, path: str = "/", *, port: int = 80, ip: str = "", **options: Any) -> Answer:
        """One request on a connection of its own. options: method, headers."""
        client = await self.connect(port, ip=ip)
        try:
            return await client.request(host, path, **options)
        finally:
            client.close()

    async def until(self, host: str, status: int, path: str = "/", *, seconds: float = 60, **options: Any) -> Answer:
        """Asks until the answer has `status`."""
        end = time.monotonic() + seconds
        while True:
            found = None
            with suppress(OSError, asyncio.IncompleteReadError):
                found = await self.get(host, path, **options)
                if found.status == status:
                    return found
            if time.monotonic() > end:
                raise AssertionError(f"{host}{path} did not become {status} in {seconds} s but {found}")
            await asyncio.sleep(0.002)


class Load:
    """Requests on several keep-alive connections until `stop`; `failed` and `served` say when and what."""

    def __init__(self, world: World, host: str, *, connections: int = 8, delay: float = 0.002) -> None:
        self.failed: list[tuple[float, Answer]] = []
        self.served: dict[str, list[float]] = {}
        self._stopping = False
        self._world, self._host, self._delay = world, host, delay
        self._workers = [asyncio.create_task(self._work()) for _ in range(connections)]

    async def _work(self) -> None:
        client = await self._world.connect()
        count = 0
        while not self._stopping:
            count += 1
            if count % 50 == 0:
                client.close()
                client = await self._world.connect()
            answer = await client.request(self._host, headers={"x-delay": str(self._delay)})
            if answer.status == 200:
                self.served.setdefault(answer.seen["pod"], []).append(time.monotonic())
            else:
                self.failed.append((time.monotonic(), answer))
        client.close()

    async def leaves(self, pod: str) -> None:
        """Returns when many requests in a row were answered by others than `pod`. Raises AssertionError if never."""
        for _ in range(100):
            before, by_pod = self._answered(), len(self.served.get(pod, ()))
            while self._answered() < before + 20 * len(self._workers):
                await asyncio.sleep(0.005)
            if len(self.served.get(pod, ())) == by_pod:
                return
        raise AssertionError(f"{pod} still served")

    def _answered(self) -> int:
        return sum(map(len, self.served.values())) + len(self.failed)

    async def stop(self) -> None:
        self._stopping = True
        await asyncio.gather(*self._workers)


class Client:
    """One keep-alive connection."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._reader = reader
        self._writer = writer

    async def request(
        self, host: str, path: str = "/", *, method: str = "GET", headers: Mapping[str, str] | None = None
    ) -> Answer:
        lines = [f"{method} {path} HTTP/1.1", f"Host: {host}"]
        lines += [f"{name}: {value}" for name, value in (headers or {}).items()]
        self._writer.write("\r\n".join([*lines, "Content-Length: 0", "", ""]).encode())
        start, found = await _head(self._reader)
        body = b""
        if "content-length" in found:
            body = await self._reader.readexactly(int(found["content-length"]))
        return Answer(int(start.split()[1]), found, body)

    def certificate(self) -> bytes:
        """The server's, in DER."""
        found: bytes = self._writer.get_extra_info("ssl_object").getpeercert(binary_form=True)
        return found

    def close(self) -> None:
        self._writer.close()


async def _head(reader: asyncio.StreamReader) -> tuple[str, dict[str, str]]:
    raw = (await reader.readuntil(b"\r\n\r\n")).decode()
    start, *lines = raw.strip().split("\r\n")
    return start, {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}


async def _serve(uid: str, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        try:
            start, headers = await _head(reader)
            await reader.readexactly(int(headers.get("content-length", 0)))
        except (asyncio.IncompleteReadError, ConnectionError):
            return
        method, path, _ = start.split()
        delay = float(headers.get("x-delay", 0))
        if delay:
            await asyncio.sleep(delay)
        peer = writer.get_extra_info("peername")[0]
        body = json.dumps({"pod": uid, "method": method, "path": path, "headers": headers, "peer": peer}).encode()
        writer.write(b"HTTP/1.1 200 OK\r\nServer: echo\r\nContent-Length: %d\r\n\r\n" % len(body) + body)


def run(scenario: Callable[[Any], Any], folder: str, *, of: type[World] = World, concurrency: int = 2) -> None:
    """Runs `scenario` (a coroutine function) in a new world, with so many workers of Envoy."""

    async def main() -> None:
        world = of(Path(folder))
        try:
            await world.start(concurrency=concurrency)
            await asyncio.wait_for(scenario(world), 90)
        finally:
            await world.stop()

    asyncio.run(main())
    print("done", flush=True)
    os._exit(0)  # gRPC's threads are in no hurry
