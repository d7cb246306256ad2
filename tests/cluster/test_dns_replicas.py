"""Two DNS servers behind one Service: one of them goes, or the process that serves both dies, and no answer is lost."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable

import pytest

from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=2)

CLIENT = """
apiVersion: v1
kind: Pod
metadata: {name: client, namespace: default}
spec: {containers: [{name: client, image: example.com/client}]}
"""

ASKING = """
import json, socket, struct, sys, time
name = b"".join(bytes([len(part)]) + part for part in b"kubernetes.default.svc.cluster.local".split(b".")) + b"\\0"
open_, sent, answered, refused, lost, slowest, end = {}, 0, 0, 0, 0, 0.0, time.monotonic() + SECONDS
ports = list(range(20000, 20000 + PORTS))  # each is used again when all have been: meanwhile conntrack remembers it
print("asking", flush=True)
while time.monotonic() < end or (open_ and time.monotonic() < end + 20):
    if time.monotonic() < end and len(open_) < AT_ONCE:  # a socket for each question, which is asked only once
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.bind(("", ports.pop(0)))
        sock.connect(("10.96.0.10", 53))
        sock.send(struct.pack("!6H", sent & 0xffff, 0x0100, 1, 0, 0, 0) + name + b"\\0\\1\\0\\1")
        open_[sock] = time.monotonic()
        sent += 1
    time.sleep(0.01)
    for sock, since in list(open_.items()):
        try:
            response = sock.recv(512)
            assert response[-4:] == bytes([10, 96, 0, 1]), response
            slowest = max(slowest, time.monotonic() - since)
            answered += 1
        except BlockingIOError:
            if time.monotonic() < since + PATIENCE:
                continue
            lost += 1
        except ConnectionRefusedError:
            refused += 1
        ports.append(sock.getsockname()[1])
        sock.close()
        del open_[sock]
lost += len(open_)
print(json.dumps({"sent": sent, "answered": answered, "refused": refused, "lost": lost, "slowest": slowest}))
"""


LAMEDUCK = 5.0
"""Seconds, of kubeadm's Corefile."""


def dns_pods(cluster: Cluster) -> list[str]:
    pods = cluster.get("pods", namespace="kube-system")["items"]
    return [pod["metadata"]["name"] for pod in pods if pod["metadata"]["labels"].get("k8s-app") == "kube-dns"]


def while_asking(
    cluster: Cluster,
    seconds: int,
    happens: Callable[[], object],
    *,
    ports: int = 9000,
    at_once: int = 9000,
    patience: int = 60,
) -> dict[str, float]:
    """What became of the client's questions. ports: how many it asks from. patience: seconds it waits for an answer."""
    argv = [sys.executable, "-m", "sealane", "exec", "--name", cluster.name, "client", "--"]
    program = ASKING
    for word, number in {"SECONDS": seconds, "PORTS": ports, "AT_ONCE": at_once, "PATIENCE": patience}.items():
        program = program.replace(word, str(number))
    asking = subprocess.Popen(
        [*argv, "python3", "-c", program], stdout=subprocess.PIPE, text=True, env={**os.environ, **cluster.env}
    )
    assert asking.stdout is not None
    assert asking.stdout.readline() == "asking\n"
    time.sleep(0.5)
    happens()
    out, _ = asking.communicate(timeout=seconds + 60)
    assert asking.returncode == 0, out
    found: dict[str, float] = json.loads(out)
    return found


def kill_dns(cluster: Cluster) -> None:
    (process,) = [one for one in cluster.status()["processes"] if one["role"] == "dns"]
    os.kill(process["pid"], signal.SIGKILL)


def test_there_are_two_on_two_nodes(sealane: Cluster) -> None:
    pods = [sealane.get("pod", name, "kube-system") for name in dns_pods(sealane)]
    assert sorted(pod["spec"]["nodeName"] for pod in pods) == ["node-1", "node-2"]


def test_no_answer_is_lost_when_the_process_dies(sealane: Cluster) -> None:
    sealane.apply(CLIENT)
    found = while_asking(sealane, 3, lambda: kill_dns(sealane))
    assert found["sent"] > 20
    assert found["answered"] == found["sent"], found


def test_no_answer_is_lost_when_a_replica_goes(sealane: Cluster) -> None:
    sealane.apply(CLIENT)
    gone = dns_pods(sealane)[0]

    def delete() -> float:
        started = time.monotonic()
        sealane.kubectl("-n", "kube-system", "delete", "pod", gone).check()
        return time.monotonic() - started

    took: list[float] = []
    found = while_asking(sealane, 10, lambda: took.append(delete()))
    assert found["answered"] == found["sent"], found
    assert took[0] > LAMEDUCK - 0.5  # For so long it answers those who do not know yet that it goes.
    eventually(lambda: len(dns_pods(sealane)) == 2 and gone not in dns_pods(sealane))


def replace_all(cluster: Cluster) -> None:
    before = dns_pods(cluster)
    cluster.kubectl("-n", "kube-system", "rollout", "restart", "deployment/coredns").check()
    status = ["-n", "kube-system", "rollout", "status", "deployment/coredns", "--timeout=60s"]
    assert "successfully rolled out" in cluster.kubectl(*status, seconds=90).check().out
    eventually(lambda: len(dns_pods(cluster)) == 2 and not set(before) & set(dns_pods(cluster)))


def test_all_can_be_replaced_and_no_answer_is_lost(sealane: Cluster) -> None:
    sealane.apply(CLIENT)
    found = while_asking(sealane, 14, lambda: replace_all(sealane))
    assert found["sent"] > 200
    assert found["answered"] == found["sent"], found


def test_ports_used_again_do_not_lead_to_a_replica_that_went(sealane: Cluster) -> None:
    """Flows stay with a server that ends until nobody is sent there; it answers for as long.

    Also a question on its way in the very moment in which its flow is moved is answered (`nft.answers`).
    """
    sealane.apply(CLIENT)
    found = while_asking(sealane, 14, lambda: replace_all(sealane), ports=50, at_once=1, patience=5)
    assert found["sent"] > 200
    assert found["answered"] == found["sent"], found
