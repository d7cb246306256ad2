"""Real namespaces, links and packets, as root and, in a child without privileges, in a user namespace."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from users import AS_NOBODY, cannot_become_nobody

SCENARIO = """
import socket, sys, threading
from pathlib import Path
from sealane.dataplane.linux import namespaces, privileges, topology
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.network.addresses import plan_node

run = Path(sys.argv[1])
privileges.become_private(run)
nodes = [plan_node(1), plan_node(2)]
for _ in range(2):  # the second time finds everything there
    topology.create_outside(run, nodes)
    for node in nodes:
        topology.create_node(run, node, nodes)
threads = [NamespaceThread(str(namespaces.path_of(run, node.name)), node.name) for node in nodes]
links = [thread.call(topology.NodeLinks, run, node) for thread, node in zip(threads, nodes)]
plans = [topology.SocketPlan("TCP", 4, 80), topology.SocketPlan("TCP", 6, 80)]

def create(node, host):
    pod = topology.PodLink(f"{node}-{host}", (nodes[node].pod_cidrs[0][host], nodes[node].pod_cidrs[1][host]))
    threads[node].call(links[node].create_pod, pod)
    net = namespaces.path_of(run, topology.pod_namespace(pod.uid))
    return threads[node].call(topology.open_sockets, plans, net)

def serve(sockets):
    def answer(one):
        one.setblocking(True)
        while True:
            peer, address = one.accept()
            peer.sendall(address[0].encode())
            peer.close()
    for one in sockets:
        threading.Thread(target=answer, args=(one,), daemon=True).start()

for node, host in ((0, 2), (0, 3), (1, 2)):
    serve(create(node, host))

def seen(namespace, address):
    def ask():
        with socket.create_connection((address, 80), timeout=3) as peer:
            return peer.recv(100).decode()
    return namespaces.inside(namespaces.path_of(run, namespace), ask)

for address in ("10.244.1.3", "10.244.2.2", "10.244.1.2"):
    assert seen("pod-0-2", address) == "10.244.1.2", address
for address in ("fd00:10:244:1::3", "fd00:10:244:2::2", "fd00:10:244:1::2"):
    assert seen("pod-0-2", address) == "fd00:10:244:1::2", address
assert seen("node-1", "10.244.1.2") == "10.244.1.1"  # the source of kubelet's probes
assert seen("node-1", "10.244.2.2") == "172.18.1.1"
try:
    seen("pod-0-2", "10.244.1.200")
    raise SystemExit("a pod that is not there answered")
except OSError as error:
    assert error.errno == 113, error  # no route to host, at once

assert "pod-1-2" in namespaces.names(run)
threads[1].call(links[1].delete_pod, "1-2")
threads[1].call(links[1].delete_pod, "1-2")
assert "pod-1-2" not in namespaces.names(run)
topology.delete(run)
assert namespaces.names(run) == []
print("all packets arrived")
"""


def unprivileged() -> list[str]:
    return [*AS_NOBODY] if os.geteuid() == 0 else []


@pytest.mark.parametrize("who", ["self", "nobody"])
def test_pods_reach_each_other_on_both_families(who: str, shared: Path) -> None:
    if who == "nobody" and os.geteuid() == 0 and cannot_become_nobody():
        pytest.skip(cannot_become_nobody())
    before = Path("/proc/net/dev").read_text().count(":")
    prefix = unprivileged() if who == "nobody" else []
    result = subprocess.run(
        [*prefix, sys.executable, "-c", SCENARIO, str(shared / "run")],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    if "namespaces are not allowed" in result.stderr:
        pytest.skip(result.stderr.strip().splitlines()[-1])
    assert result.stdout.strip() == "all packets arrived", result.stderr
    assert Path("/proc/net/dev").read_text().count(":") == before, "a link was left in the host's namespace"
    assert list((shared / "run").iterdir()) == [], "the tmpfs can be seen from the host"


def test_a_port_that_is_taken_is_named() -> None:
    from sealane.dataplane.linux.topology import SocketPlan, open_sockets

    with socket.socket() as taken:
        taken.bind(("0.0.0.0", 0))
        taken.listen()
        port = taken.getsockname()[1]
        with pytest.raises(OSError, match=f"TCP port {port}: Address already in use"):
            open_sockets([SocketPlan("TCP", 4, port)])
