"""kubectl debug: ephemeral containers, copies of pods, and nodes."""

from __future__ import annotations

import pytest
from tests.cluster.terminal import terminal

from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=2)

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: "web:1", ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: worker}
spec:
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, command: [sleep, "31415"]}]
"""


@pytest.fixture(autouse=True)
def _pods(sealane: Cluster) -> None:
    sealane.apply(PODS)


def test_an_ephemeral_container_is_in_the_pods_network(sealane: Cluster) -> None:
    argv = ("debug", "-it", "web", "--image=busybox", "--container=eph", "--", "sh")
    with terminal(sealane, {}, *argv) as shell:
        shell.type("PS1=; curl -s http://127.0.0.1:8080/from-inside\n")
        shell.until('"path": "/from-inside"')
        shell.type("exit 3\n")
        shell.end()
    pod = eventually(lambda: _ended(sealane, "web", "eph"))
    assert pod["status"]["ephemeralContainerStatuses"][0]["state"]["terminated"]["exitCode"] == 3
    assert pod["status"]["phase"] == "Running"
    assert all(one["restartCount"] == 0 for one in pod["status"]["containerStatuses"])
    assert '"path": "/from-inside"' in sealane.kubectl("logs", "web", "-c", "eph").check().out
    ready = next(one for one in pod["status"]["conditions"] if one["type"] == "Ready")
    assert ready["status"] == "True"


def _ended(sealane: Cluster, pod: str, container: str) -> dict[str, object] | None:
    found: dict[str, object] = sealane.get("pod", pod, "default")
    statuses = found["status"].get("ephemeralContainerStatuses") or ()  # type: ignore[attr-defined]
    ended = any(one["name"] == container and "terminated" in one["state"] for one in statuses)
    return found if ended else None


def test_target_shows_the_processes_of_that_container(sealane: Cluster) -> None:
    argv = ("debug", "-it", "worker", "--image=busybox", "--target=c", "--", "cat", "/proc/1/cmdline")
    with terminal(sealane, {}, *argv) as shell:
        shell.until("sleep.31415")
        shell.end()


def test_a_copy_of_a_pod_has_another_command(sealane: Cluster) -> None:
    argv = ("debug", "-it", "worker", "--copy-to=worker-copy", "--container=c", "--", "sh")
    with terminal(sealane, {}, *argv) as shell:
        shell.type("PS1=; hostname\n")
        shell.until("worker-copy\r\n")
        shell.type("cat /proc/1/cmdline; echo\n")
        shell.until("sleep.infinity")  # kubectl lets the containers of a copy share their processes
        shell.type("exit\n")
        shell.end()
    sealane.kubectl("delete", "pod", "worker-copy", "--wait=false").check()


def test_a_node_is_debugged_in_its_network_with_the_host_at_host(sealane: Cluster) -> None:
    with terminal(sealane, {}, "debug", "-it", "node/node-2", "--image=busybox", "--", "sh") as shell:
        shell.type("PS1=; ls /sys/class/net; test -d /host/etc && echo host-$((40+2))\n")
        shell.until("host-42")
        shell.type("exit\n")
        shell.end()
    pods = sealane.get("pods", namespace="default")["items"]
    debugger = next(pod for pod in pods if pod["metadata"]["name"].startswith("node-debugger-node-2-"))
    assert debugger["spec"]["nodeName"] == "node-2"
    sealane.kubectl("delete", "pod", debugger["metadata"]["name"], "--wait=false").check()


def test_ephemeral_containers_only_come(sealane: Cluster) -> None:
    sealane.kubectl("debug", "web", "--image=busybox", "--container=stays", "--", "true").check()
    removed = '{"spec":{"ephemeralContainers":[]}}'
    argv = ("patch", "pod", "web", "--subresource=ephemeralcontainers", "--type=merge", "-p", removed)
    refused = sealane.kubectl(*argv)
    assert 'existing ephemeral containers "' in refused.err
    assert "may not be removed" in refused.err
    again = sealane.kubectl("debug", "web", "--image=busybox", "--container=c", "--", "true")
    assert not again.ok
