"""One process of a real cluster killed every two seconds, each in its turn, while clients keep asking.

    kill_lab.py [SECONDS]

Clients ask a Service with stand-ins behind it through its ClusterIP (from node-1), through a Gateway (from outside) and
through the loopback mirror, on connections that they keep and on new ones. A connection ends in one process: when that
is killed, the kernel breaks it, as it breaks those of a killed pod or proxy in any cluster, and the client asks once
more on a connection of its own, as HTTP clients do while no byte of an answer has come (RFC 9110, section 9.2.2). So:

* A connection breaks only when a process in which it ends is killed (`ENDS`). Envoy asks an idempotent request again.
* A request on an established connection fails when it has no answer then either, or another one than 200. None may.
* Who connects is refused only where Envoy is killed (`REFUSES`), which opens its sockets anew. Those of stand-ins are
  kept by the node agent and those of mirrors by the supervisor: who connects waits.
"""

from __future__ import annotations

import itertools
import json
import os
import re
import signal
import socket
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from sealane.dataplane.linux.threads import NamespaceThread
from sealane.testing.cluster import Cluster, eventually

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 8080}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {name: gate}
spec: {gatewayClassName: sealane, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {name: web}
spec: {parentRefs: [{name: gate}], rules: [{backendRefs: [{name: web, port: 8080}]}]}
"""
ROLES = ("control-plane", "nodes", "dns", "stand-ins", "host-access", "envoy")
ENDS = {"ClusterIP": {"stand-ins"}, "Gateway": {"envoy"}, "mirror": {"host-access", "stand-ins"}}
REFUSES: dict[str, set[str]] = {"ClusterIP": set(), "Gateway": {"envoy"}, "mirror": set()}
MIRROR_GAP = 0.5
"""Seconds between two answers in a row through the mirror, at most."""
EVERY = 2.0
PAUSE = 0.01
PATIENCE = 5.0
REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\n\r\n"
_LENGTH = re.compile(rb"content-length: (\d+)", re.IGNORECASE)


@dataclass
class Way:
    """What became of the requests of one way.

    broken, refused: by the process that was killed last. failed: what was said of the requests that nobody answered.
    longest: seconds between two answers in a row, with the process that was killed last.
    """

    name: str
    answered: int = 0
    broken: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)
    failed: list[str] = field(default_factory=list)
    longest: tuple[float, str] = (0.0, "")
    last: float = 0.0

    def row(self) -> str:
        gap, victim = self.longest
        return (
            f"{self.name:10} {self.answered:6,} answered, {len(self.failed)} failed; broken {dict(self.broken)}, "
            f"refused {dict(self.refused)}; longest gap {gap:.2f} s ({victim})"
        )

    def faults(self) -> list[str]:
        """What was not to happen."""
        strange = [
            f"{said} when {victim} was killed: {count}"
            for said, counted, usual in (("broken", self.broken, ENDS), ("refused", self.refused, REFUSES))
            for victim, count in counted.items()
            if victim not in usual[self.name]
        ]
        return [f"{self.name}: {each}" for each in (*self.failed, *strange)]


class Clients:
    """Two clients of each way: one keeps its connection, one makes a new one for each request."""

    def __init__(self, places: Mapping[str, tuple[NamespaceThread | None, tuple[str, int]]]) -> None:
        self.ways = {name: Way(name) for name in places}
        self.victim = "nobody"
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [
            threading.Thread(target=self._ask_on, args=(self.ways[name], *place, kept))
            for name, place in places.items()
            for kept in (True, False)
        ]

    @contextmanager
    def asking(self) -> Iterator[None]:
        for thread in self._threads:
            thread.start()
        try:
            yield
        finally:
            self._ended.set()
            for thread in self._threads:
                thread.join()

    def _ask_on(self, way: Way, place: NamespaceThread | None, address: tuple[str, int], kept: bool) -> None:
        connection: socket.socket | None = None
        broke = False
        while not self._ended.wait(0 if broke else PAUSE):
            try:
                connection = connection or connect(place, address)
            except OSError:
                with self._lock:
                    way.refused[self.victim] += 1
                time.sleep(PAUSE)
                continue
            said = ask(connection)
            with self._lock:
                if not said:
                    now = time.monotonic()
                    if way.last and now - way.last > way.longest[0]:
                        way.longest = (now - way.last, self.victim)
                    way.answered, way.last = way.answered + 1, now
                else:
                    way.broken[self.victim] += 1
                    if broke or said == "no answer" or said.startswith("HTTP"):
                        way.failed.append(f"{said} ({self.victim} was killed)")
            broke = bool(said)
            if broke or not kept:
                connection.close()
                connection = None
        if connection is not None:
            connection.close()


def connect(place: NamespaceThread | None, address: tuple[str, int]) -> socket.socket:
    """Raises OSError."""
    made = place.call(socket.socket) if place is not None else socket.socket()
    made.settimeout(PATIENCE)
    try:
        made.connect(address)
    except OSError:
        made.close()
        raise
    return made


def ask(connection: socket.socket) -> str:
    """What went wrong with a request on an established connection; "" when it was answered."""
    try:
        connection.sendall(REQUEST)
        data = b""
        while not (head := data.partition(b"\r\n\r\n"))[1]:
            if not (piece := connection.recv(65536)):
                return "closed"
            data += piece
        length = _LENGTH.search(head[0])
        missing = int(length[1]) - len(head[2]) if length else 0
        while missing > 0:
            if not (piece := connection.recv(65536)):
                return "closed within an answer"
            missing -= len(piece)
    except TimeoutError:
        return "no answer"
    except OSError as error:
        return str(error)
    return "" if b" 200 " in head[0].partition(b"\r\n")[0] else head[0].partition(b"\r\n")[0].decode()


def kill_in_turns(cluster: Cluster, seconds: float) -> list[Way]:
    """A cluster with MANIFEST; one process of ROLES after another is killed while clients ask."""
    status = cluster.status()
    pids = {each["role"]: each["pid"] for each in status["processes"]}
    folder = Path(status["folder"])
    netns = Path(f"/proc/{pids['supervisor']}/root{folder}/run/netns")
    node, outside = (NamespaceThread(str(netns / name), name) for name in ("node-1", "outside"))
    mirrors = {each["what"]: each for each in status["reachable"]}
    cluster_ip = cluster.get("service", "web", "default")["spec"]["clusterIP"]
    clients = Clients(
        {
            "ClusterIP": (node, (cluster_ip, 8080)),
            "Gateway": (outside, _place(mirrors["Gateway default/gate"]["address"])),
            "mirror": (None, _place(mirrors["Service default/web"]["host"])),
        }
    )
    turns = itertools.cycle(ROLES)
    try:
        with clients.asking():
            time.sleep(1)
            deadline = time.monotonic() + seconds
            for due in itertools.count(time.monotonic(), EVERY):
                if due > deadline:
                    break
                time.sleep(max(0.0, due - time.monotonic()))
                role = next(turns)
                pid = eventually(lambda role=role: _pid(folder, role), seconds=EVERY)
                clients.victim = role
                os.kill(pid, signal.SIGKILL)
            time.sleep(EVERY)
    finally:
        node.close()
        outside.close()
    return list(clients.ways.values())


def _pid(folder: Path, role: str) -> int:
    """0 between two lives."""
    processes = json.loads((folder / "cluster.json").read_text())["processes"]
    return next((each["pid"] for each in processes if each["role"] == role), 0)


def _place(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    return host, int(port)


def main(seconds: float = 60.0) -> int:
    cluster = Cluster.start("kill-lab", nodes=2)
    try:
        cluster.apply(MANIFEST)
        ways = kill_in_turns(cluster, seconds)
    finally:
        cluster.stop()
    for way in ways:
        print(way.row())
    faults = [fault for way in ways for fault in way.faults()]
    gap = next(way.longest[0] for way in ways if way.name == "mirror")
    print("\n".join(faults) or f"0 failed requests; longest gap of the mirror {gap:.2f} s")
    return 1 if faults or gap > MIRROR_GAP else 0


if __name__ == "__main__":
    sys.exit(main(*map(float, sys.argv[1:2])))
