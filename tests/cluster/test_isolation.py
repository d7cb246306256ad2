"""A new pod is isolated before it starts: who is hammering its address from before it exists never gets through.

Source: https://kubernetes.io/docs/concepts/services-networking/network-policies/#pod-lifecycle-and-network-policies
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from sealane.network.addresses import plan_node
from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=2)

HAMMER = Path(__file__).with_name("hammer.py")
ADDRESSES = 40
"""So many of each node's first pod addresses are hammered."""

FIRST = """
apiVersion: v1
kind: Pod
metadata: {name: hammer}
spec: {nodeName: node-1, containers: [{name: c, image: alpine}]}
---
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata: {name: closed}
spec: {podSelector: {matchLabels: {app: closed}}, policyTypes: [Ingress, Egress]}
"""

SHOUT = """
import select, socket, sys
name, *sinks = sys.argv[1:]
bound = socket.socket(socket.AF_INET6, socket.SOCK_DGRAM)
bound.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 0)
bound.bind(("::", 8080))
while True:
    for sink in sinks:
        try:
            bound.sendto(name.encode(), (sink, 9000))
        except OSError:
            pass
    while select.select([bound], [], [], 0.005)[0]:
        data, peer = bound.recvfrom(100)
        try:
            bound.sendto(data, peer)
        except OSError:
            pass
"""
"""What runs in the pods: answers on port 8080, and shouts its name to the hammer from its first moment on."""


def pod(name: str, app: str, node: int, sinks: list[str]) -> dict[str, Any]:
    container: dict[str, Any] = {"name": "c", "image": "alpine", "ports": [{"containerPort": 8080, "protocol": "UDP"}]}
    if sinks:
        container["command"] = ["python3", "-c", SHOUT, name, *(_mapped(sink) for sink in sinks)]
    spec = {"nodeName": f"node-{node}", "containers": [container], "terminationGracePeriodSeconds": 0}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": {"app": app}}, "spec": spec}


def _mapped(address: str) -> str:
    return address if ":" in address else f"::ffff:{address}"


@contextmanager
def hammering(cluster: Cluster, found: dict[str, list[str]]) -> Iterator[dict[str, list[str]]]:
    """Fills `found` with what the hammer saw, which waits for all the open ones of the pods that are put into the dict
    it yields: names to addresses.
    """
    addresses = [
        str(cidr[number]) for index in (1, 2) for cidr in plan_node(index).pod_cidrs for number in range(3, ADDRESSES)
    ]
    # Not through the agent, which ends what it has started when it ends.
    status = cluster.status()
    [supervisor] = [each["pid"] for each in status["processes"] if each["role"] == "supervisor"]
    uid = cluster.get("pod", "hammer", "default")["metadata"]["uid"]
    command = ["nsenter", f"--net=/proc/{supervisor}/root{status['folder']}/run/netns/pod-{uid}"]
    if os.geteuid() != 0:
        command += [f"--user=/proc/{supervisor}/ns/user", "--preserve-credentials"]
    command += [sys.executable, str(HAMMER), *addresses]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        assert process.stdout.readline() == "sending\n"
        made: dict[str, list[str]] = {}
        yield made
        process.stdin.write(json.dumps(seen_of(made)) + "\n")
        process.stdin.flush()
        found.update(json.loads(process.stdout.readline()))


def running(cluster: Cluster, names: list[str]) -> dict[str, list[str]]:
    """The addresses of pods, once all of them run."""
    pods = {each["metadata"]["name"]: each for each in cluster.get("pods", namespace="default")["items"]}
    phases = {name: pods[name]["status"].get("phase") for name in names}
    assert set(phases.values()) == {"Running"}, phases
    return {name: [entry["ip"] for entry in pods[name]["status"]["podIPs"]] for name in names}


def make(cluster: Cluster, prefix: str, count: int) -> dict[str, list[str]]:
    """Pods of every kind: closed and open, stand-ins and programs, on both nodes; their addresses once they run."""
    sinks = running(cluster, ["hammer"])["hammer"]
    pods = [
        pod(f"{prefix}-{app}-{index}", app, 1 + index % 2, sinks if index % 4 < 2 else [])
        for index in range(count)
        for app in ("closed", "open")
    ]
    manifest = json.dumps({"apiVersion": "v1", "kind": "List", "items": pods})
    cluster.kubectl("create", "--validate=false", "-f", "-", stdin=manifest).check()
    names = [each["metadata"]["name"] for each in pods]
    return eventually(lambda: running(cluster, names), seconds=60, every=0.2)


def seen_of(addresses: dict[str, list[str]]) -> dict[str, list[str]]:
    """What the hammer would have noticed: it reaches everyone open over both families, and hears all their programs."""
    names = [name for name in addresses if "-open-" in name]
    return {
        "reached": [address for name in names for address in addresses[name]],
        "came": [name for name in names if int(name.rsplit("-", 1)[1]) % 4 < 2],
    }


def judge(found: dict[str, list[str]], addresses: dict[str, list[str]]) -> None:
    reached, came = set(found["reached"]), set(found["came"])
    leaks = {name for name, own in addresses.items() if "-closed-" in name and (reached & {*own} or name in came)}
    assert not leaks
    seen = seen_of(addresses)
    assert reached.issuperset(seen["reached"])
    assert came.issuperset(seen["came"])


def test_new_pods_are_never_reached_and_never_reach_out(sealane: Cluster) -> None:
    sealane.apply(FIRST)
    found: dict[str, list[str]] = {}
    with hammering(sealane, found) as made:
        made |= (addresses := make(sealane, "new", 12))
    judge(found, addresses)


def test_nor_when_the_node_agent_starts_again(sealane: Cluster) -> None:
    """It is killed twice: while pods stand, and while others are being made."""
    found: dict[str, list[str]] = {}

    def agent() -> int:
        [pid] = [each["pid"] for each in sealane.status()["processes"] if each["role"] == "nodes" and each["alive"]]
        return int(pid)

    make(sealane, "before", 2)
    with hammering(sealane, found) as made:
        for prefix in ("first", "second"):
            pid = agent()
            os.kill(pid, signal.SIGKILL)
            made |= make(sealane, prefix, 3)
            assert agent() != pid
    judge(found, made)
