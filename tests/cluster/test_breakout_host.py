"""What a pod sees of the host cannot be changed by it, and commands nobody: host paths, sockets, clusters' state."""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import Lab, lab_of, snapshot
from users import as_nobody

pytestmark = pytest.mark.skipif(os.getuid() != 0, reason="becomes two users, which only root can")

CONNECT = """
import socket, sys
for path in sys.argv[1:]:
    s = socket.socket(socket.AF_UNIX)
    try:
        s.connect(path); print("connected", path)
    except OSError as error:
        print("refused", path)
"""


@pytest.fixture(scope="module", params=["root", pytest.param("nobody", marks=as_nobody)])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with lab_of(request.param) as found:
        other = found.host / "other"  # another cluster's state folder, of which nobody told this one
        other.mkdir()
        (other / "cluster.json").write_text("secret")
        for path in (other / "supervisor.sock", found.host / "engine.sock"):
            listener = socket.socket(socket.AF_UNIX)
            listener.bind(str(path))
            path.chmod(0o777)
            listener.listen()
            _LISTENING.append(listener)
        kept = found.home / "state/kept"  # one that has been stopped
        kept.mkdir()
        (kept / "store.db").write_text("secret")
        for path in (other, other / "cluster.json", kept, kept / "store.db"):
            os.chown(path, found.account.pw_uid, found.account.pw_gid)
        (found.host / "link").symlink_to(found.home / "state")
        volumes = [{"name": "all", "hostPath": {"path": "/"}}, {"name": "some", "hostPath": {"path": str(found.host)}}]
        mounts = [{"name": "all", "mountPath": "/all"}, {"name": "some", "mountPath": "/some"}]
        found.pod("host", {"containers": [{"command": ["sleep", "600"], "volumeMounts": mounts}], "volumes": volumes})
        found.kubectl("wait", "--for=condition=Ready", "pod/host").check()
        yield found


_LISTENING: list[socket.socket] = []


@pytest.fixture(autouse=True)
def _the_host_is_as_before(lab: Lab) -> Iterator[None]:
    before = snapshot(lab.host)
    settings = {path: path.read_bytes() for path in Path("/proc/sys/vm").iterdir() if path.stat().st_mode & 0o400}
    yield
    assert snapshot(lab.host) == before
    settings_now = {path: path.read_bytes() for path in settings}
    assert {path.name for path in settings if settings[path] != settings_now[path]} <= {"drop_caches"}


def test_nothing_below_a_host_path_can_be_written(lab: Lab) -> None:
    """Also not where another file system is mounted there, nor a device."""
    script = f"""
    for top in /all{lab.host} /some; do
      echo x > $top/file; echo x >> $top/folder/new; rm -f $top/file; chmod 000 $top/folder; mkdir $top/new
    done
    for folder in $(awk '$5 ~ "^/(all|some)" {{print $5}}' /proc/self/mountinfo); do
      (: > $folder/sealane-breakout) 2>/dev/null && echo "written: $folder"
    done
    echo 1 > /all/proc/sys/vm/overcommit_memory && echo "written: sysctl"
    for device in null zero vda sda; do (: < /all/dev/$device) 2>/dev/null && echo "opened: $device"; done
    cat /all/proc/1/cmdline | tr '\\0' ' '
    """
    found = lab.shell("host", script)
    assert "written" not in found
    assert "opened" not in found
    assert "Read-only file system" in found
    assert not list(Path("/dev/shm").glob("sealane-breakout"))
    assert "sleep 600" in found  # the pod's own processes, not the host's


def test_no_clusters_state_is_seen(lab: Lab) -> None:
    state = lab.home / "state"
    for top in (f"/all{state}", str(state), "/some/link", f"/all{lab.host}/other", "/some/other"):
        found = lab.shell("host", f"ls -A {top}/sealane {top}/kept {top}/run {top}; cat {top}/*/* {top}/*")
        assert "secret" not in found, top
        for name in ("pki", "agent.sock", "kubeconfig", "pods", "netns", "cluster.json"):
            assert name not in found, (top, found)
    for path in (state / "sealane", state / "sealane/run", lab.host / "link/kept", lab.host / "engine.sock"):
        name = f"peeks-{path.name.replace('.', '-')}"
        mounts = [{"name": "h", "mountPath": "/h"}]
        volumes = [{"name": "h", "hostPath": {"path": str(path)}}]
        lab.pod(name, {"containers": [{"command": ["true"], "volumeMounts": mounts}], "volumes": volumes})
        reason, message = lab.waits(name)
        assert reason == "CreateContainerConfigError"
        assert "is not shown to pods" in message


def test_no_socket_of_the_host_is_reached(lab: Lab) -> None:
    state = lab.home / "state/sealane"
    sockets = [state / "agent.sock", state / "supervisor.sock", state / "api.sock", state / "handoff.sock"]
    sockets.append(state / "xds.sock")
    sockets += [lab.host / "engine.sock", lab.host / "other/supervisor.sock"]
    paths = " ".join(f"/all{path} {path}" for path in sockets) + " /some/engine.sock /some/other/supervisor.sock"
    found = lab.shell("host", f"/usr/bin/python3 -c '{CONNECT}' {paths}")
    assert found.count("refused") == 2 * len(sockets) + 2, found
    assert "connected" not in found


def test_sockets_of_a_cluster_hear_nobody_in_another_pid_namespace(lab: Lab) -> None:
    """Whatever way a program of a pod has found to them."""
    apart = ["unshare", *([] if lab.is_root else ["--user", "--map-root-user"]), "--pid", "--fork"]
    request = {"op": "run_outside", "argv": ["id"], "env": {}, "cwd": "/"}
    ask = f"""
import socket
s = socket.socket(socket.AF_UNIX)
s.connect({str(lab.home / "state/sealane/agent.sock")!r})
null = open("/dev/null", "r+b")
socket.send_fds(s, [{json.dumps(request).encode()!r} + b"\\n"], [null.fileno()] * 3)
print("answer", s.recv(1000))
"""
    assert "exit" in lab.run([sys.executable, "-c", ask]).check().out
    refused = lab.run([*apart, sys.executable, "-c", ask])
    assert "exit" not in refused.out, refused
    ask = f"""
import socket
s = socket.socket(socket.AF_UNIX)
s.connect({str(lab.home / "state/sealane/api.sock")!r})
s.sendall(b"GET /version HTTP/1.1\\r\\nHost: x\\r\\n\\r\\n")
print("answer", s.recv(1000))
"""
    assert "HTTP/1.1" in lab.run([sys.executable, "-c", ask]).check().out
    refused = lab.run([*apart, sys.executable, "-c", ask])
    assert "HTTP/1.1" not in refused.out, refused


def test_a_node_is_debugged_without_a_way_to_its_host(lab: Lab) -> None:
    script = f"echo x > /host{lab.host}/file; : > /host/dev/shm/sealane-breakout; ls -A /host{lab.home}/state/sealane"
    created = lab.kubectl("debug", "node/node-1", "--image=busybox", "--", "sh", "-c", script).check()
    name = next(word for word in (created.out + created.err).split() if word.startswith("node-debugger-"))
    found = lab.ended(name)
    assert found.count("Read-only file system") == 2
    assert "pki" not in found
