"""kubectl top: what pods and nodes use, by the kernel's figures."""

from __future__ import annotations

import json
from pathlib import Path

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


METRICS_SERVER = Path(__file__).parents[1] / "sets" / "metrics-server.yaml"


def test_top_goes_on_answering_beside_a_metrics_server_that_is_a_stand_in(sealane: Cluster) -> None:
    sealane.kubectl("apply", "--server-side", "--force-conflicts", "-f", str(METRICS_SERVER)).check()
    sealane.kubectl("rollout", "status", "-n", "kube-system", "deploy/metrics-server", "--timeout=60s").check()
    ids = "jsonpath={.items[*].status.containerStatuses[*].imageID}"
    answered = sealane.kubectl("get", "pod", "-n", "kube-system", "-l", "k8s-app=metrics-server", "-o", ids).check().out
    assert answered.startswith("sealane-stand-in://")
    sealane.kubectl("wait", "--for=condition=Available", "apiservice/v1beta1.metrics.k8s.io", "--timeout=5s").check()
    nodes = sealane.kubectl("top", "node").check().out.splitlines()[1:]
    assert {line.split()[0] for line in nodes} == {"node-1", "node-2"}
    assert "metrics-server" in sealane.kubectl("top", "pod", "-n", "kube-system").check().out
    sealane.kubectl("delete", "-f", str(METRICS_SERVER)).check()
    assert sealane.kubectl("top", "node").ok
