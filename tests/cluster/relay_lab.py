"""Connections through a loopback mirror of a real cluster, one after another from several clients: none may be lost.

    relay_lab.py COUNT [CLIENTS] [SECONDS]

Each connection is a request of its own to one of ten stand-ins behind a LoadBalancer Service: the sockets of one alone,
which the kernel keeps for a minute after their end, would soon be in the way of new ones, as on any node (a SYN that is
sent again after a second). Lost is one whose answer does not come whole within 10 s. Exit code 1 when any was.
SECONDS: stop after so long, and say how many there were.
"""

from __future__ import annotations

import asyncio
import sys
import time

import uvloop

from sealane.testing.cluster import Cluster, eventually

MANIFEST = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 10
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 8080}]}
"""
REQUEST = b"GET / HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n"
PATIENCE = 10.0


async def ask(host: str, port: int) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(host, port)
            try:
                writer.write(REQUEST)
                return (await reader.read(-1)).startswith(b"HTTP/1.1 200")
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return False


async def hammer(host: str, port: int, count: int, clients: int, seconds: float) -> tuple[int, int]:
    """How many connections were made, and how many of them were lost."""
    made = lost = 0
    deadline = time.monotonic() + seconds

    async def client() -> None:
        nonlocal made, lost
        while made < count and time.monotonic() < deadline:
            made += 1
            lost += not await ask(host, port)

    await asyncio.gather(*(client() for _ in range(clients)))
    return made, lost


def main(count: int, clients: int = 16, seconds: float = 3600.0) -> int:
    cluster = Cluster.start("relay-lab", nodes=1)
    try:
        cluster.sealane("up", "-", "--nodes", "1", stdin=MANIFEST).check()
        place = eventually(lambda: [each["host"] for each in cluster.status()["reachable"]])[0]
        host, _, port = place.rpartition(":")
        began = time.monotonic()
        made, lost = uvloop.run(hammer(host, int(port), count, clients, seconds))
        took = time.monotonic() - began
    finally:
        cluster.stop()
    print(f"{made:,} connections by {clients} clients in {took:.0f} s ({made / took:,.0f}/s): {lost} lost")
    return 1 if lost else 0


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), *map(int, sys.argv[2:3]), *map(float, sys.argv[3:4])))
