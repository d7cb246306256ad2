"""Random Gateways, routes of all kinds and requests: what the routing model says against what the real Envoy does.

    python tests/cluster/agree_routes.py [SETS] [--requests N] [--seed N] [--replay FILE]

A set is a Gateway with its listeners, routes, grants and requests (`routes_draw`). Many are in one Envoy at a time. Of
each answer the status, the backend, the Location, the path, host and headers that the backend saw, the copies that it
got and the headers that the client got are held against `evaluate`. What disagrees is made smaller, as long as it goes
on to disagree, and written to a file that `--replay` takes. An Envoy that ends is started again, as a cluster does it,
and its sets are asked once more.
"""

from __future__ import annotations

import argparse
import asyncio
import copy
import json
import os
import random
import socket
import sys
import tempfile
import time
from base64 import b64encode
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import yaml
from envoy_world import World
from routes_ask import Connection, Reply, datagram
from routes_draw import GATEWAY, GROUP, PODS, Asked, Drawn, Raw, drawn
from tls_scenario import self_signed

from sealane.dataplane.linux import namespaces, topology
from sealane.dataplane.nft.datagrams import Datagrams
from sealane.dataplane.pods.standins.behaviours import Client, Facts, Socket
from sealane.dataplane.pods.standins.server import Logs, Served
from sealane.kube.objects import Key, Object
from sealane.network.routes.backends import of_backend
from sealane.network.routes.evaluate import Request, RouteDecision, as_seen, evaluate
from sealane.network.routes.model.http import Backend, Forward
from sealane.network.routes.model.l4 import OpenPort, PortKey
from sealane.network.routes.model.streams import StreamKey, stream_for
from sealane.network.routes.model.tls import chain_for
from sealane.reactive.collections import Source

SLOTS = 16
"""Sets in the Envoy at a time."""
SENTINEL = 9999
TRIES, PAUSE = 20, 0.05
"""Workers of Envoy take what is new in their own time: so often, and after so many seconds, a request is asked anew."""
COMPARED = frozenset(("x-a", "x-b", "x-c", "x-v", "x-d", "x-e", "content-type"))
"""Headers that routes speak of."""


@dataclass(frozen=True)
class Expected:
    """outcomes: what may happen: "refused", "handshake", "closed", "silent", a pod's name, or a status as text."""

    outcomes: frozenset[str]
    decision: RouteDecision | None = None
    why: str = ""


class RoutesWorld(World):
    """Stand-ins behind Services, a pod for the proxy of each slot, and a client."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.copies: dict[str, int] = {}
        self.certificate = self_signed("*.test")
        self.standing: list[Object] = []
        self.batch = self.crashes = 0
        self.now = ""

    async def start(self, *, concurrency: int = 1) -> None:
        await self.start_network()
        self._concurrency = concurrency
        logs = Logs()
        for pod in PODS:
            await self.stand_in(pod, logs)
        for slot in range(SLOTS):
            self.pod(f"proxy-{slot}")
        self.forwarding: Source[str, bool] = Source(self.graph, "forwarding")
        self.datagrams = asyncio.create_task(Datagrams(self.routing, self.netns, self.forwarding).run())
        self.standing = [Object(raw) for raw in self._standing()]
        self.serve_xds()
        self.watching = asyncio.create_task(self._watch())

    async def _watch(self) -> None:
        """Starts an Envoy that has died again, as a cluster does, and counts it."""
        while True:
            if self.envoy is not None:
                code = await self.envoy.wait()
                self.crashes += 1
                print(f"Envoy ended with {code} in batch {self.batch}: {self.now}", flush=True)
                await self._start_envoy()
            await asyncio.sleep(0.05)

    async def stand_in(self, uid: str, logs: Logs) -> None:
        """A pod that answers whatever is spoken on port 8000."""
        ip = self.pod(uid)
        plans = [topology.SocketPlan(protocol, 4, 8000) for protocol in ("TCP", "UDP")]
        made = namespaces.inside(self.netns(uid), lambda: topology.open_sockets(plans))
        sockets = [Socket(protocol, 4, 8000) for protocol in ("TCP", "UDP")]
        served = Counting(Facts("pods", uid, self.node.name, [ip], sockets=sockets), logs)
        if uid == "m":
            served.counted = self.copies
        await served.open(tuple(made))

    def _standing(self) -> Iterator[Raw]:
        controller = {"controllerName": "sealane.dev/gateway-controller"}
        yield {"apiVersion": f"{GROUP}/v1", "kind": "GatewayClass", "metadata": {"name": "sealane"}, "spec": controller}
        for slot in range(SLOTS):
            labels = {f"{GROUP}/gateway-name": GATEWAY}
            yield self.proxy_pod(near(slot), "proxy", f"proxy-{slot}", labels)
            for name, near_ in ((near(slot), "yes"), (far(slot), "no")):
                yield {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"near": near_}}}
                for secret, data in (("good", self.certificate), ("bad", (b"no", b"certificate"))):
                    yield {
                        "apiVersion": "v1",
                        "kind": "Secret",
                        "type": "kubernetes.io/tls",
                        "metadata": {"namespace": name, "name": secret},
                        "data": dict(
                            zip(("tls.crt", "tls.key"), (b64encode(each).decode() for each in data), strict=True)
                        ),
                    }
                for service in ("a", "b", "c", "d", "m", "h2", "empty"):
                    yield from self._service(name, service)

    def _service(self, namespace: str, name: str) -> Iterator[Raw]:
        ports: list[Raw] = [{"name": "http", "port": 80}, {"name": "udp", "port": 80, "protocol": "UDP"}]
        if name == "h2":
            ports[0]["appProtocol"] = "kubernetes.io/h2c"
        metadata = {"namespace": namespace, "name": name}
        yield {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": {"ports": ports}}
        address = self.ips.get("c" if name == "h2" else name)
        if address:
            yield {
                "apiVersion": "discovery.k8s.io/v1",
                "kind": "EndpointSlice",
                "metadata": {**metadata, "name": f"{name}-1", "labels": {"kubernetes.io/service-name": name}},
                "addressType": "IPv4",
                "ports": [{**port, "port": 8000} for port in ports],
                "endpoints": [{"addresses": [address], "conditions": {"ready": True}}],
            }

    # Sets

    async def apply(self, sets: Sequence[Drawn]) -> None:
        """Puts these sets, one a slot, in the place of those before, and waits until the proxies have them."""
        self.batch += 1
        found = list(self.standing)
        for slot, each in enumerate(sets):
            found += [Object(raw) for raw in placed(each.objects, slot)]
            found += [Object(raw) for raw in placed(self._sentinel(), slot)]
        followed = self._followed()
        with self.graph.batch():
            for kind, source in followed.items():
                source.replace({item.key: item for item in found if item.kind == kind})
        await asyncio.gather(*(self._there(slot) for slot in range(len(sets))))
        await asyncio.sleep(0.02)

    def _sentinel(self) -> list[Raw]:
        """A route by which an answer tells that the proxy has this batch; its listener is of a ListenerSet."""
        listener = {"name": "sentinel", "port": SENTINEL, "protocol": "HTTP"}
        parent = {"kind": "ListenerSet", "name": "sentinel"}
        redirect = {"type": "RequestRedirect", "requestRedirect": {"hostname": f"batch-{self.batch}.test"}}
        return [
            {
                "apiVersion": f"{GROUP}/v1",
                "kind": "ListenerSet",
                "metadata": {"namespace": "NS", "name": "sentinel"},
                "spec": {"parentRef": {"name": GATEWAY}, "listeners": [listener]},
            },
            {
                "apiVersion": f"{GROUP}/v1",
                "kind": "HTTPRoute",
                "metadata": {"namespace": "NS", "name": "sentinel"},
                "spec": {"parentRefs": [parent], "rules": [{"filters": [redirect]}]},
            },
        ]

    def sentinel(self, slot: int) -> Asked:
        return Asked(SENTINEL, host="x")

    async def _there(self, slot: int) -> None:
        end = time.monotonic() + 60
        while True:
            reply = await self.ask(slot, self.sentinel(slot), {})
            if f"//batch-{self.batch}.test" in (reply.header("location") or ""):
                return
            if time.monotonic() > end:
                raise AssertionError(f"slot {slot} is not at batch {self.batch}: {reply}")
            await asyncio.sleep(0.01)

    # Requests

    def asked_at(self, slot: int) -> str:
        """The pod of the proxy of a slot."""
        return f"proxy-{slot}"

    async def ask(self, slot: int, asked: Asked, connections: dict[Any, Connection]) -> Reply:
        """connections: those that are open, by what they are for."""
        address = (self.ips[self.asked_at(slot)], asked.port)
        kind = socket.SOCK_DGRAM if asked.speaks == "datagram" else socket.SOCK_STREAM
        if kind == socket.SOCK_DGRAM:
            return await datagram(self.socket(kind), address)
        key = (asked.port, asked.server_name, asked.speaks)
        connection = connections.pop(key, None)
        if connection is None:
            made = self.socket(kind)
            try:
                await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, address), 3)
            except OSError:
                made.close()
                return Reply("refused")
            opened = await Connection.open(made, asked)
            if isinstance(opened, Reply):
                return opened
            connection = opened
        reply = await connection.ask(asked)
        if connection.usable:
            connections[key] = connection
        else:
            connection.close()
        return reply

    def socket(self, kind: int) -> socket.socket:
        made = namespaces.inside(self.netns("client"), lambda: socket.socket(socket.AF_INET, kind))
        made.setblocking(False)
        return made

    # What the model says

    def expected(self, slot: int, asked: Asked) -> Expected:
        gateway = Key(GROUP, "Gateway", near(slot), GATEWAY)
        if asked.speaks == "datagram":
            port = PortKey(gateway, asked.port, "UDP")
            if self.routing.ports.get(port) is None:
                return Expected(frozenset({"refused", "silent"}), why="no such port")
            stream = self.routing.streams.get(StreamKey(*port))
            backends = stream.backends if stream is not None else ()
            return Expected(frozenset(self._any_of(backends)) or frozenset({"refused", "silent"}))
        port = PortKey(gateway, asked.port)
        opened = self.routing.ports.get(port)
        if opened is None:
            return Expected(frozenset({"refused"}), why="no such port")
        if opened.speaks == "tcp" or asked.speaks == "bytes":
            return self._stream(asked, opened)
        if (opened.speaks == "tls") != (asked.server_name is not None):
            return Expected(frozenset({"handshake", "closed"}), why="TLS on one side only")
        if opened.speaks == "tls":
            name = asked.server_name or ""
            chain = chain_for(opened.chains, name)
            if chain is None:
                return Expected(frozenset({"handshake"}), why="no listener takes the name")
            if not chain.http:
                return Expected(frozenset(), why="not HTTP")
            if chain_for(opened.chains, bare(asked.host)) not in (chain, None):
                return status(asked, 421)
        return self._http(gateway, asked)

    def _stream(self, asked: Asked, opened: OpenPort) -> Expected:
        name = asked.server_name or ""
        if opened.speaks == "http" or (opened.speaks == "tcp") != (asked.server_name is None):
            return Expected(frozenset(), why="not a stream")
        if opened.speaks == "tls":
            chain = chain_for(opened.chains, name)
            if chain is None:
                return Expected(frozenset({"handshake"}), why="no listener takes the name")
            if chain.http:
                return Expected(frozenset(), why="HTTP")
        stream = stream_for(self.routing.streams, opened.key, name.lower())
        pods = self._any_of(stream.backends if stream is not None else ())
        return Expected(frozenset(pods) or frozenset({"closed", "handshake"}))

    def _any_of(self, backends: Sequence[Backend]) -> set[str]:
        """The pods that may get what a stream passes on; "closed" where some of it goes nowhere."""
        found: set[str] = set()
        for backend in backends:
            if backend.weight:
                found |= {self._serving(backend)} if not backend.problem else {""}
        return {pod or "closed" for pod in found} | ({"handshake", "silent", "refused"} if "" in found else set())

    def _serving(self, backend: Backend, proxy: Key | None = None) -> str:
        """ "" when no endpoint is there."""
        behind = self.routing.backends.get(of_backend(backend, proxy))
        by_address = {ip: uid for uid, ip in self.ips.items()}
        return by_address[behind.addresses[0][0]] if behind is not None and behind.addresses else ""

    def _http(self, gateway: Key, asked: Asked) -> Expected:
        scheme = "http" if asked.server_name is None else "https"
        headers = asked.headers
        if asked.speaks == "grpc":
            headers += (("content-type", "application/grpc"), ("te", "trailers"))
        client = self.ips["client"]
        request = Request(gateway, asked.port, asked.host, asked.path, asked.method, headers, scheme, client)
        decision = evaluate(self.routing.hosts, request)
        why = "; ".join(reason.text for reason in decision.reasons)
        if decision.status:
            return replace(status(asked, decision.status), decision=decision, why=why)
        outcomes: set[str] = set()
        for backend in decision.backends:
            if backend.problem:
                outcomes |= status(asked, backend.refusal).outcomes
            elif pod := self._serving(backend):
                outcomes.add(pod)
            else:
                outcomes |= status(asked, 503).outcomes
        return Expected(frozenset(outcomes), decision, why)

    # Agreement

    async def disagreement(self, slot: int, asked: Asked, connections: dict[Any, Connection], number: int) -> str:
        """What a request shows that the model does not say, or ""."""
        wanted = self.expected(slot, asked)
        if not wanted.outcomes:  # another protocol than the port's: nothing is promised
            return ""
        mark = f"id={self.batch}-{slot}-{number}"
        said = ""
        for attempt in range(TRIES):
            tried = replace(asked, path=marked(asked.path, f"{mark}-{attempt}")) if asked.speaks != "bytes" else asked
            if asked.speaks == "datagram":
                tried = asked
            wanted = self.expected(slot, tried)
            reply = await self.ask(slot, tried, connections)
            said = judged(tried, wanted, reply)
            if not said and wanted.decision is not None:
                said = await self._copied(wanted.decision, f"{mark}-{attempt}", reply)
            if not said:
                return ""
            await asyncio.sleep(PAUSE)
        return f"{said}\n  asked {asked}\n  model: {sorted(wanted.outcomes)} {wanted.why}"

    async def _copied(self, decision: RouteDecision, mark: str, reply: Reply) -> str:
        """Whether each copy that the rule wants has arrived."""
        rule = decision.rule
        if decision.status or rule is None or not isinstance(rule.action, Forward) or outcome_of(reply) not in PODS:
            return ""
        wanted = sum(mirror.fraction == 1 for mirror in rule.action.mirrors)
        for _ in range(40):
            if self.copies.get(mark, 0) == wanted:
                return ""
            await asyncio.sleep(0.005)
        return f"{self.copies.get(mark, 0)} copies arrived, {wanted} were to be made"

    async def stop(self) -> None:
        self.datagrams.cancel()
        self.watching.cancel()
        await super().stop()


class Counting(Served):
    """A stand-in that counts requests by the mark in their paths."""

    counted: dict[str, int] | None = None

    def record(self, client: Client, what: str, status: int | str, size: int) -> None:
        if self.counted is not None and "id=" in what:
            mark = "id=" + what.partition("id=")[2].partition(" ")[0].partition("&")[0]
            self.counted[mark] = self.counted.get(mark, 0) + 1


def near(slot: int) -> str:
    return f"near-{slot}"


def far(slot: int) -> str:
    return f"far-{slot}"


def placed(objects: Sequence[Raw], slot: int) -> list[Raw]:
    """The objects of a set in the namespaces of a slot, and with its hosts."""
    text = json.dumps(list(objects)).replace('"NS"', f'"{near(slot)}"').replace('"FAR"', f'"{far(slot)}"')
    found: list[Raw] = json.loads(text.replace("SLOT", f"s{slot}"))
    return found


def marked(path: str, mark: str) -> str:
    return f"{path}{'&' if '?' in path else '?'}{mark}"


def bare(host: str) -> str:
    """A Host without its port, as a server name."""
    return host.lower() if host.endswith("]") else host.lower().partition(":")[0]


GRPC_STATUS = {400: 13, 401: 16, 403: 7, 404: 12, 429: 14, 502: 14, 503: 14, 504: 14}
"""What a gRPC client is told for a status of HTTP; any other is UNKNOWN (2). Source: gRPC over HTTP/2,
doc/http-grpc-status-mapping.md."""


def status(asked: Asked, code: int) -> Expected:
    if asked.speaks == "grpc" and code != 200:
        return Expected(frozenset({f"grpc {GRPC_STATUS.get(code, 2)}"}))
    return Expected(frozenset({str(code)}))


def outcome_of(reply: Reply) -> str:
    """As `Expected.outcomes` names it."""
    if reply.how != "answer":
        return reply.how
    if not reply.status:
        return reply.body.decode(errors="replace").removeprefix("pods/").partition(" ")[0]
    code = reply.header("grpc-status")
    if code is not None:
        return "" if code == "0" else f"grpc {code}"
    if reply.status == 200 and reply.body.startswith(b"{"):
        return str(json.loads(reply.body)["pod"])
    return str(reply.status)


def judged(asked: Asked, wanted: Expected, reply: Reply) -> str:
    """What of a reply is not as the model says, or ""."""
    outcome = outcome_of(reply)
    decision = wanted.decision
    if asked.method == "HEAD" and reply.how == "answer" and reply.status == 200:
        return "" if wanted.outcomes & {*PODS, "200"} else f"answered {reply}"
    if asked.speaks == "grpc" and outcome == "":
        return "" if wanted.outcomes & set(PODS) else f"answered {reply}"
    if outcome not in wanted.outcomes:
        return f"{outcome}: {reply}"
    if decision is None:
        return ""
    if (
        decision.location
        and asked.speaks != "grpc"
        and lowered(reply.header("location") or "") != lowered(decision.location)
    ):
        return f"location {reply.header('location')}, not {decision.location}"
    if decision.rule is not None and decision.rule.cors is not None and (origin := dict(asked.headers).get("origin")):
        allowed = decision.rule.cors.allows(origin)
        if (outcome in PODS or outcome == "200") and (
            reply.header("access-control-allow-origin") is not None
        ) != allowed:
            return f"origin {origin} allowed: {allowed}, answered {reply}"
    if outcome in PODS and asked.speaks != "bytes" and reply.status:
        return seen(asked, decision, reply, outcome)
    return ""


def lowered(url: str) -> str:
    """With its host in lower case."""
    scheme, _, rest = url.partition("://")
    host, slash, path = rest.partition("/")
    return f"{scheme}://{host.lower()}{slash}{path}"


def seen(asked: Asked, decision: RouteDecision, reply: Reply, pod: str) -> str:
    """What the backend saw, or the client was told, that is not as the model says, or ""."""
    body = json.loads(reply.body)
    possible = []
    for backend in decision.backends:
        if backend.problem or (backend.service.name if backend.service.name != "h2" else "c") != pod:
            continue
        request = as_seen(decision.request, backend)
        got = {name.lower(): value.replace(", ", ",") for name, value in body["headers"].items()}
        rule = decision.rule
        assert rule is not None
        told = (("content-type", "application/json"),)
        for edit in (backend.response_headers, rule.response_headers):
            told = edit.apply(told) if edit is not None else told
        differences = [
            *differing("path", request.path, body["path"]),
            *differing("host", request.host, body["host"]),
            *(f"to backend {each}" for each in headers_differ(request.headers, list(got.items()))),
            *(f"to client {each}" for each in headers_differ(told, reply.headers)),
        ]
        if not differences:
            return ""
        possible.append("; ".join(differences))
    return " or ".join(possible) or "no such backend"


def differing(what: str, wanted: str, found: str) -> Iterator[str]:
    if wanted != found:
        yield f"{what} {found!r}, not {wanted!r}"


def headers_differ(wanted: Sequence[tuple[str, str]], found: Sequence[tuple[str, str]]) -> Iterator[str]:
    def joined(headers: Sequence[tuple[str, str]]) -> dict[str, str]:
        made: dict[str, str] = {}
        for name, value in headers:
            name = name.lower()
            if name in COMPARED:
                made[name] = f"{made[name]},{value}" if name in made else value
        return made

    one, other = joined(wanted), joined(found)
    for name in sorted({*one, *other}):
        if one.get(name) != other.get(name):
            yield f"{name}: {other.get(name)!r}, not {one.get(name)!r}"


# Running it

Draw = Callable[[int, int], Drawn]
"""From a seed and a number of requests."""


@dataclass
class Agreement:
    world: RoutesWorld
    folder: Path
    sets: int = 0
    requests: int = 0
    disagreements: int = 0

    async def check(self, batch: Sequence[tuple[str, Drawn]]) -> None:
        """batch: sets with their names."""
        self.world.now = ", ".join(name for name, _ in batch)
        while True:
            crashes = self.world.crashes
            await self.world.apply([each for _, each in batch])
            found = await asyncio.gather(*(self._set(slot, each) for slot, (_, each) in enumerate(batch)))
            if crashes == self.world.crashes:
                break
        self.sets += len(batch)
        self.requests += sum(len(each.asked) for _, each in batch)
        for (name, each), wrong in zip(batch, found, strict=True):
            if wrong is not None:
                self.disagreements += 1
                await self._report(name, each, *wrong)

    async def _set(self, slot: int, made: Drawn) -> tuple[Asked, str] | None:
        """The first request of a set on which model and Envoy do not agree."""
        connections: dict[Any, Connection] = {}
        try:
            for number, asked in enumerate(made.asked):
                said = await self.world.disagreement(slot, asked, connections, number)
                if said:
                    return asked, said
        finally:
            for connection in connections.values():
                connection.close()
        return None

    async def _report(self, name: str, made: Drawn, asked: Asked, said: str) -> None:
        self.world.now = f"making {name} smaller"
        smallest = await self._shrunk(Drawn(made.objects, [asked]))
        file = self.folder / f"routes-{name}.yaml"
        text = {"said": said, "asked": asdict(asked), "objects": smallest.objects}
        file.write_text(yaml.safe_dump(text, sort_keys=False))
        print(f"{name}: {said}\n  {file}", flush=True)

    async def _shrunk(self, made: Drawn) -> Drawn:
        """Without all that the disagreement does not need. As many variants are tried at a time as there are slots."""
        again = True
        while again:
            again = False
            variants = list(smaller(made.objects))
            for start in range(0, len(variants), SLOTS):
                some = [Drawn(objects, made.asked) for objects in variants[start : start + SLOTS]]
                await self.world.apply(some)
                found = await asyncio.gather(*(self._set(slot, each) for slot, each in enumerate(some)))
                left = [each for each, wrong in zip(some, found, strict=True) if wrong is not None]
                if left:
                    made, again = left[0], True
                    break
        return made


def smaller(objects: list[Raw]) -> Iterator[list[Raw]]:
    """The same objects without one of them, or without one entry of a list in them."""
    for index, each in enumerate(objects):
        if each["kind"] != "Gateway":
            yield objects[:index] + objects[index + 1 :]
    for index, each in enumerate(objects):
        for path in lists(each):
            if path[0] not in ("spec", "metadata"):
                continue
            changed = copy.deepcopy(objects)
            inner: Any = changed[index]
            for step in path[:-1]:
                inner = inner[step]
            del inner[path[-1]]
            yield changed


def lists(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to what can be left out: entries of lists of which another is left, optional fields of rules and routes."""
    if isinstance(value, dict):
        for name, inner in value.items():
            if path[-1:] == ("annotations",) or name in (
                "filters",
                "matches",
                "backendRefs",
                "hostnames",
                "hostname",
                "allowedRoutes",
                "timeouts",
                "retry",
                "annotations",
                "tls",
                "defaultBackend",
            ):
                yield (*path, name)
            yield from lists(inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            if len(value) > 1:
                yield (*path, index)
            yield from lists(inner, (*path, index))


def read(file: Path) -> Drawn:
    said = yaml.safe_load(file.read_text())
    asked = {**said["asked"], "headers": tuple((name, value) for name, value in said["asked"]["headers"])}
    return Drawn(said["objects"], [Asked(**asked)])


async def agree(
    run: Path, asked: argparse.Namespace, chosen: int, folder: Path, made: type[RoutesWorld], draw: Draw
) -> int:
    world = made(run)
    await world.start()
    agreement = Agreement(world, folder)
    started = time.monotonic()
    sets = (
        [(asked.replay.stem.removeprefix("routes-"), read(asked.replay))]
        if asked.replay is not None
        else [(f"{seed}", draw(seed, asked.requests)) for seed in range(chosen, chosen + asked.sets)]
    )
    try:
        for start in range(0, len(sets), SLOTS):
            await agreement.check(sets[start : start + SLOTS])
            if agreement.disagreements >= asked.most:
                break
    finally:
        with suppress(asyncio.CancelledError):
            await world.stop()
    counted = f"{agreement.sets} sets, {agreement.requests} requests, {agreement.disagreements} disagreements"
    print(f"{counted}, {world.crashes} ends of Envoy, {time.monotonic() - started:.0f} s", flush=True)
    if agreement.disagreements:
        print(f"again with --seed {chosen}, or with --replay FILE")
    return bool(agreement.disagreements)


def main(argv: list[str], about: str | None, made: type[RoutesWorld], draw: Draw) -> int:
    parser = argparse.ArgumentParser(description=about, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sets", type=int, nargs="?", default=1000)
    parser.add_argument("--requests", type=int, default=50)
    parser.add_argument("--seed", type=int, default=None, help="of the first set; the next has the next")
    parser.add_argument("--replay", type=Path, default=None, help="a file with one set and one request")
    parser.add_argument("--most", type=int, default=3, help="disagreements after which it ends")
    asked = parser.parse_args(argv)
    chosen = asked.seed if asked.seed is not None else random.randrange(1 << 32)
    if asked.replay is not None:
        asked.replay = asked.replay.absolute()
    with tempfile.TemporaryDirectory(prefix="sealane-agree-") as folder:
        pid = os.fork()  # the folder is removed by one who is not in the private namespaces
        if pid == 0:
            code = 2
            try:
                code = asyncio.run(agree(Path(folder), asked, chosen, Path.cwd(), made, draw))
            except BaseException:
                import traceback

                traceback.print_exc()
            sys.stdout.flush()
            sys.stderr.flush()
            os._exit(code)  # gRPC's threads are in no hurry
        _, status = os.waitpid(pid, 0)
    return os.waitstatus_to_exitcode(status)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], __doc__, RoutesWorld, drawn))
