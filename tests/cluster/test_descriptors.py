"""Pods that come and go leave nothing behind: no descriptors, no namespaces, no folders."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=1)

PODS, ROUNDS = 30, 5
MANY = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: many}
spec:
  replicas: %d
  selector: {matchLabels: {app: many}}
  template:
    metadata: {labels: {app: many}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: example.com/web, ports: [{containerPort: 80}]}]
"""


def descriptors(cluster: Cluster) -> dict[str, int]:
    pids = {each["role"]: each["pid"] for each in cluster.status()["processes"] if each["alive"]}
    return {role: len(os.listdir(f"/proc/{pid}/fd")) for role, pid in pids.items()}


def left(cluster: Cluster) -> set[str]:
    """Namespaces and folders of pods, as the supervisor sees them."""
    status = cluster.status()
    [supervisor] = [each["pid"] for each in status["processes"] if each["role"] == "supervisor"]
    run = Path(f"/proc/{supervisor}/root{status['folder']}/run")
    return {path.name for folder in ("netns", "pods") if (run / folder).exists() for path in (run / folder).iterdir()}


def come_and_go(cluster: Cluster) -> None:
    cluster.apply(MANY % PODS)
    cluster.kubectl("scale", "deploy/many", "--replicas=0").check()
    eventually(lambda: not cluster.get("pods", namespace="default")["items"], seconds=60, every=0.2)


def test_pods_leave_nothing_behind(sealane: Cluster) -> None:
    sealane.apply(MANY % 0)
    things = left(sealane)
    come_and_go(sealane)
    before = descriptors(sealane)
    for _ in range(ROUNDS):
        come_and_go(sealane)
    after = descriptors(sealane)
    # Clients keep some connections for a minute, as many as they had at once; one descriptor a pod would be far more.
    assert {role: count - before[role] for role, count in after.items() if count - before[role] > PODS} == {}
    eventually(lambda: left(sealane) == things)


def test_streams_into_pods_leave_nothing_behind(sealane: Cluster) -> None:
    sealane.apply(MANY % 1)

    def stream(times: int) -> None:
        for number in range(times):
            said = sealane.kubectl("exec", "-i", "deploy/many", "--", "cat", stdin=f"{number}").check().out
            assert said == str(number)

    stream(3)
    before = descriptors(sealane)
    stream(20)
    roles = ("control-plane", "nodes")
    eventually(lambda: [role for role in roles if descriptors(sealane)[role] - before[role] > 5] == [])
