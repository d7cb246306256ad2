"""healthCheckNodePort: on every node, whether it has endpoints of a Service under externalTrafficPolicy Local.

Source: pkg/proxy/healthcheck/service_health.go of Kubernetes: any path; 200 while there is a ready endpoint on the
node and the proxy works, else 503; how many there are in the body and in X-Load-Balancing-Endpoint-Weight.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Callable, Mapping, Sequence
from email.utils import formatdate
from typing import cast

from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.linux.topology import SocketPlan, has_ipv6, open_sockets
from sealane.kube.objects import Key
from sealane.network.services import ServiceModel, local_endpoints
from sealane.reactive.collections import Change, Collection

log = logging.getLogger(__name__)

LONGEST_REQUEST = 16384


def answer(service: Key, endpoints: int, healthy: bool) -> tuple[int, list[tuple[str, str]], bytes]:
    """Status, header fields and body for a Service with so many ready endpoints on the node."""
    fields = [
        ("Content-Type", "application/json"),
        ("X-Content-Type-Options", "nosniff"),
        ("X-Load-Balancing-Endpoint-Weight", str(endpoints)),
    ]
    body = {
        "service": {"namespace": service.namespace, "name": service.name},
        "localEndpoints": endpoints,
        "serviceProxyHealthy": healthy,
    }
    return 200 if endpoints and healthy else 503, fields, json.dumps(body, indent="\t").encode()


class HealthChecks:
    """Keeps the listening sockets of all nodes as the Services want them; `run` it as a task.

    nodes: the thread in each node's namespace. healthy: whether a node's rules are as they should be. on_error: told of
    a port that cannot be listened on.
    """

    def __init__(
        self,
        models: Collection[Key, ServiceModel],
        nodes: Mapping[str, NamespaceThread],
        healthy: Callable[[str], bool],
        on_error: Callable[[Key, str], None] | None = None,
    ) -> None:
        self._models = models
        self._nodes = nodes
        self._healthy = healthy
        self._on_error = on_error
        self._open: dict[Key, tuple[int, list[asyncio.Server]]] = {}
        self._changed: dict[Key, None] = {}
        self._wake = asyncio.Event()
        self._unsubscribe = models.subscribe(self._receive)

    def ask(self, service: Key, node: str) -> tuple[int, list[tuple[str, str]], bytes]:
        model = self._models.get(service)
        return answer(service, local_endpoints(model, node) if model is not None else 0, self._healthy(node))

    async def run(self) -> None:
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                changed, self._changed = self._changed, {}
                for key in changed:
                    self._close(key)
                for key in changed:
                    await self._listen(key)
        finally:
            self._unsubscribe()
            for key in list(self._open):
                self._close(key)

    def _receive(self, changes: Sequence[Change[Key, ServiceModel]]) -> None:
        for change in changes:
            wanted = change.new.health_check_port if change.new is not None else None
            if wanted != (change.old.health_check_port if change.old is not None else None):
                self._changed[change.key] = None
                self._wake.set()

    def _close(self, key: Key) -> None:
        for server in self._open.pop(key, (0, []))[1]:
            server.close()

    async def _listen(self, key: Key) -> None:
        model = self._models.get(key)
        port = model.health_check_port if model is not None else None
        if not port:
            return
        servers: list[asyncio.Server] = []
        self._open[key] = port, servers
        plans = [SocketPlan("TCP", family, port) for family in ((4, 6) if has_ipv6() else (4,))]
        for node, thread in self._nodes.items():
            try:
                sockets = await thread.run(open_sockets, plans)
            except OSError as error:
                log.warning("health check of %s on %s: %s", key, node, error)
                if self._on_error is not None:
                    self._on_error(key, f"node {node} failed to start healthcheck {str(key)!r} on port {port}: {error}")
                continue
            loop = asyncio.get_running_loop()
            servers += [
                await loop.create_server(lambda node=node: _Connection(self, key, node), sock=sock)  # type: ignore[misc]
                for sock in sockets
            ]


class _Connection(asyncio.Protocol):
    """One connection of a health checker: each request is answered, whatever it asks for."""

    def __init__(self, checks: HealthChecks, service: Key, node: str) -> None:
        self._checks = checks
        self._service = service
        self._node = node
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            self._answer(head.lower())
        if len(self._received) > LONGEST_REQUEST:
            self._transport.abort()

    def _answer(self, head: bytes) -> None:
        status, fields, body = self._checks.ask(self._service, self._node)
        close = b"connection: close" in head or b"http/1.0" in head.partition(b"\r\n")[0]
        fields += [("Date", formatdate(usegmt=True)), ("Content-Length", str(len(body)))]
        fields += [("Connection", "close")] if close else []
        lines = [f"HTTP/1.1 {status} {'OK' if status == 200 else 'Service Unavailable'}"]
        lines += [f"{name}: {value}" for name, value in fields]
        self._transport.write("\r\n".join([*lines, "", ""]).encode() + (b"" if head.startswith(b"head ") else body))
        if close:
            self._transport.close()
