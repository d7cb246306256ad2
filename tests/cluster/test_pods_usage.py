"""kubectl top: what pods and nodes use, by the kernel's figures."""

from __future__ import annotations

import json

import pytest

from sealane.testing.cluster import Cluster

pytestmark = pytest.mark.sealane(nodes=2)

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: busy, labels: {kind: program}}
spec:
  terminationGracePeriodSeconds: 0
  containers:
  - {name: spins, image: busybox, command: [sh, -c, "while :; do :; done"]}
  - {name: sleeps, image: busybox, command: [sleep, "1000"]}
---
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: c, image: "web:1", ports: [{containerPort: 8080}]}]}
"""


def millicores(text: str) -> float:
    return float(text[:-1]) / 1e6 if text.endswith("n") else float(text) * 1000


def test_programs_are_measured_and_stand_ins_use_nothing_of_their_own(sealane: Cluster) -> None:
    sealane.apply(PODS)
    raw = sealane.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods").check().out
    items = {item["metadata"]["name"]: item for item in json.loads(raw)["items"]}
    usage = {each["name"]: each["usage"] for each in items["busy"]["containers"]}
    assert 20 < millicores(usage["spins"]["cpu"]) <= 1100  # a busy machine gives it less than a processor
    assert millicores(usage["sleeps"]["cpu"]) < 20
    assert 0 < int(usage["sleeps"]["memory"].removesuffix("Ki")) < 100_000
    assert items["web"]["containers"] == [{"name": "c", "usage": {"cpu": "0", "memory": "0Ki"}}]
    table = sealane.kubectl("top", "pod", "--containers", "-l", "kind=program").check().out
    assert {line.split()[1] for line in table.splitlines()[1:]} == {"spins", "sleeps"}
    nodes = sealane.kubectl("top", "node").check().out.splitlines()[1:]
    assert {line.split()[0] for line in nodes} == {"node-1", "node-2"}
    assert sealane.kubectl("top", "pod", "busy").check().out.split()[3] == "busy"
    missing = sealane.kubectl("get", "--raw", "/apis/metrics.k8s.io/v1beta1/namespaces/default/pods/nope")
    assert "(NotFound)" in missing.err
