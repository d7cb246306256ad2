"""What a privileged pod changes stays in its namespaces, unless the host is allowed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import Lab, lab_of, snapshot
from users import as_nobody

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becomes two users, which only root can")

# Each would do no harm where it succeeds.
ATTEMPTS = """
exec 2>&1
mount -o remount,rw,bind /all && echo "broke: remount"
umount /all/proc && echo "broke: umount"
mount -t tmpfs none /mnt && echo "broke: mount"
mount -t devtmpfs none /mnt && echo "broke: devices"
mknod /tmp/disk b 254 0 && : < /tmp/disk && echo "broke: device"
mknod /dev/disk b 254 0 && : < /dev/disk && echo "broke: device"
echo x > /all@HOST@/file && echo "broke: file"
unshare -m true && echo "broke: unshare"
unshare -Urm sh -c "mount -o remount,rw,bind /all || umount -l /all@STATE@" && echo "broke: user namespace"
unshare -Urmpf sh -c "mount -t proc proc /proc && : >> /proc/sys/vm/max_map_count" && echo "broke: proc"
nsenter -t 1 -m true && echo "broke: nsenter"
(: >> /proc/sysrq-trigger) && echo "broke: sysrq"
cp /bin/sh /tmp/root-shell && chmod 4755 /tmp/root-shell
date -s "$(date)" && echo "broke: clock"
grep CapBnd /proc/self/status
"""


@pytest.fixture(scope="module", params=["root", pytest.param("nobody", marks=as_nobody)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with lab_of(request.param) as found:
        yield found


def settings() -> dict[str, bytes]:
    names = ("vm/max_map_count", "vm/overcommit_memory", "kernel/core_pattern", "kernel/hostname", "fs/nr_open")
    return {name: Path("/proc/sys", name).read_bytes() for name in names}


@pytest.mark.parametrize("context", [{"privileged": True}, {"capabilities": {"add": ["ALL"]}}], ids=str)
def test_nothing_of_the_host_changes(lab: Lab, context: dict[str, object]) -> None:
    before, had = snapshot(lab.host), settings()
    script = ATTEMPTS.replace("@HOST@", str(lab.host)).replace("@STATE@", str(lab.home / "state/sealane"))
    name = "privileged" if "privileged" in context else "capable"
    lab.pod(
        name,
        {
            "containers": [
                {
                    "command": ["sh", "-c", script],
                    "securityContext": context,
                    "volumeMounts": [{"name": "h", "mountPath": "/all"}],
                }
            ],
            "volumes": [{"name": "h", "hostPath": {"path": "/"}}],
        },
    )
    found = lab.ended(name)
    assert "broke" not in found
    assert "CapBnd:\t" in found  # it came to the end
    assert snapshot(lab.host) == before
    assert settings() == had
    assert "Contained" in lab.kubectl("events", "--for", f"pod/{name}").check().out


def test_settings_can_be_made_and_change_only_the_pod(lab: Lab) -> None:
    had = settings()
    script = """
    exec 2>&1
    echo 262145 > /proc/sys/vm/max_map_count && cat /proc/sys/vm/max_map_count
    echo 1 > /proc/sys/net/ipv4/ip_forward && cat /proc/sys/net/ipv4/ip_forward
    """
    lab.pod("sysctl", {"containers": [{"command": ["sh", "-c", script], "securityContext": {"privileged": True}}]})
    assert lab.ended("sysctl").splitlines() == ["262145", "1"]
    assert settings() == had


def test_processes_of_a_pod_are_shared_without_its_holders_powers(lab: Lab) -> None:
    script = "grep CapEff /proc/1/status; ls /proc/1/root/" + str(lab.home / "state/sealane").lstrip("/")
    spec = {"shareProcessNamespace": True, "containers": [{"command": ["sh", "-c", f"exec 2>&1; {script}"]}]}
    lab.pod("shared", spec)
    found = lab.ended("shared")
    assert found.startswith("CapEff:\t0000000000000000\n")
    assert "pki" not in found


def test_the_host_is_there_where_it_is_allowed(tmp_path: Path) -> None:
    from sealane.testing.cluster import Cluster

    cluster = Cluster("allowed", {"SEALANE_HOME": str(tmp_path / "home")})
    cluster.sealane("up", "--nodes", "1", "--dns-upstream", "none", "--allow-host").check()
    try:
        cluster.apply(
            "{apiVersion: v1, kind: Pod, metadata: {name: p}, spec: {containers: [{name: c, image: busybox, "
            "command: [sleep, '600'], securityContext: {privileged: true}}]}}"
        )
        assert cluster.exec("p", "mount", "-t", "tmpfs", "none", "/mnt").check().ok
        other = cluster.sealane("up", "--private")
        assert other.code == 2
        assert "runs without --private" in other.err
    finally:
        cluster.stop()
