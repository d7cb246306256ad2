"""A state folder that is damaged, somebody else's or in the way; commands that meet each other or are interrupted."""

from __future__ import annotations

import contextlib
import json
import os
import pwd
import random
import re
import shlex
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from users import as_nobody

from sealane.testing.cluster import Cluster, Done, eventually, kubectl_path, run

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: kept, namespace: default}
data: {a: b}
"""
UP = ("--nodes", "1", "--dns-upstream", "none")


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    made = Cluster("c", {"SEALANE_HOME": str(tmp_path / "home")})
    yield made
    made.sealane("down")
    assert supervisors(made) == []


def folder(cluster: Cluster) -> Path:
    return Path(cluster.env["SEALANE_HOME"]) / cluster.name


def supervisors(cluster: Cluster) -> list[int]:
    """Processes of this cluster, from /proc: what it says of itself may be wrong."""
    found = []
    for path in Path("/proc").iterdir():
        with contextlib.suppress(OSError):
            if path.name.isdigit() and f"sealane.cluster\0{folder(cluster)}\0" in (path / "cmdline").read_text():
                found.append(int(path.name))
    return found


def kept(cluster: Cluster) -> bool:
    return bool(cluster.get("configmap", "kept", "default")["data"] == {"a": "b"})


def begin(cluster: Cluster, *arguments: str, stdin: str = "") -> subprocess.Popen[str]:
    process = subprocess.Popen(
        [sys.executable, "-m", "sealane", *arguments, "--name", cluster.name],
        env={**os.environ, **cluster.env},
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdin is not None
    process.stdin.write(stdin)
    process.stdin.close()
    process.stdin = None
    return process


def end(process: subprocess.Popen[str]) -> Done:
    out, err = process.communicate(timeout=60)
    # Before our `main`, it is Python that was interrupted (it has a main of its own, in site.py).
    assert not re.search(r"sealane/\S*\", line \d+, in main", err), err
    return Done(("sealane",), process.returncode, out, err)


def test_a_kept_cluster_survives_bad_input(cluster: Cluster) -> None:
    cluster.sealane("up", "-", *UP, stdin=CONFIG).check()
    cluster.sealane("down", "--keep").check()
    assert cluster.sealane("up", "-", stdin="apiVersion: v1\nkind: Nope\n").code == 2
    assert supervisors(cluster) == []
    cluster.sealane("up").check()
    assert kept(cluster)
    assert len(cluster.status()["nodes"]) == 1  # as before: nobody asked for another number


def test_another_number_of_nodes_is_refused_while_it_runs_and_taken_when_kept(cluster: Cluster) -> None:
    cluster.sealane("up", "-", *UP, stdin=CONFIG).check()
    refused = cluster.sealane("up", "--nodes", "2")
    assert refused.code == 2
    assert "runs with --nodes 1" in refused.err
    assert "down --keep" in refused.err
    cluster.sealane("down", "--keep").check()
    cluster.sealane("up", "--nodes", "2").check()
    assert [node["name"] for node in cluster.status()["nodes"]] == ["node-1", "node-2"]
    assert kept(cluster)


def test_pods_of_a_node_that_is_no_more_move(cluster: Cluster) -> None:
    web = "apiVersion: apps/v1\nkind: Deployment\nmetadata: {name: web}\nspec:\n  replicas: 4\n"
    web += "  selector: {matchLabels: {app: web}}\n  template:\n    metadata: {labels: {app: web}}\n"
    web += "    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}\n"
    cluster.sealane("up", "-", "--nodes", "2", "--dns-upstream", "none", stdin=web).check()
    cluster.sealane("down", "--keep").check()
    cluster.sealane("up", "--nodes", "1").check()
    found = cluster.status()
    assert [node["name"] for node in found["nodes"]] == ["node-1"]
    assert {pod["node"] for pod in found["pods"]} == {"node-1"}
    assert len([pod for pod in found["pods"] if pod["name"].startswith("web-")]) == 4
    assert "0 disagreements" in cluster.sealane("verify").check().out


def test_a_cluster_whose_folder_is_removed_ends(cluster: Cluster) -> None:
    cluster.sealane("up", *UP).check()
    shutil.rmtree(folder(cluster))
    eventually(lambda: not supervisors(cluster))
    cluster.sealane("up", *UP).check()


@as_nobody
@pytest.mark.parametrize(
    ("limit", "said"),
    [
        ("max_user_namespaces", "sysctl user.max_user_namespaces=15000"),
        ("max_net_namespaces", "sysctl user.max_net_namespaces=15000"),
    ],
)
def test_what_the_kernel_forbids_is_named_with_the_remedy(limit: str, said: str) -> None:
    """The limit is set in a user namespace of its own, in which sealane runs as an ordinary user."""
    nobody = pwd.getpwnam("nobody")
    home = Path(f"/tmp/sealane-limit-{os.getpid()}-{limit}")
    home.mkdir()
    os.chown(home, nobody.pw_uid, nobody.pw_gid)
    up = shlex.join([sys.executable, "-m", "sealane", "up", "--name", "c", *UP])
    # A second user namespace, nested in the first, maps nobody to nobody: no root, but the limit of the first counts.
    inner = f"unshare --user --map-user=1000 --map-group=1000 {up}" if limit == "max_user_namespaces" else up
    enough = "1" if limit == "max_user_namespaces" else "0"
    try:
        done = subprocess.run(
            ["unshare", "--user", "--map-root-user", "sh", "-c", f"echo {enough} >/proc/sys/user/{limit} && {inner}"],
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
            env={**os.environ, "SEALANE_HOME": str(home), "HOME": str(home)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 3, done
        assert said in done.stderr
        assert "Traceback" not in done.stderr
    finally:
        shutil.rmtree(home)


def test_a_damaged_record_is_said_and_costs_no_object_and_no_process(cluster: Cluster) -> None:
    cluster.sealane("up", "-", *UP, stdin=CONFIG).check()
    pids = set(supervisors(cluster))
    record = folder(cluster) / "cluster.json"
    record.write_text('{"name": "c", "pha')
    assert cluster.status()["phase"] == "damaged"
    assert "damaged" in cluster.sealane("kubeconfig").err
    cluster.sealane("up").check()
    assert set(supervisors(cluster)) == pids
    assert cluster.status()["phase"] == "running"
    record.write_text("")
    cluster.sealane("down", "--keep").check()
    assert supervisors(cluster) == []
    record.write_text("")
    assert "damaged" in cluster.sealane("up", *UP).check().err
    assert kept(cluster)


def test_a_damaged_store_is_named_and_left_alone(cluster: Cluster) -> None:
    cluster.sealane("up", "-", *UP, stdin=CONFIG).check()
    cluster.sealane("down", "--keep").check()
    store = folder(cluster) / "store.db"
    good = store.read_bytes()
    bad = random.Random(1).randbytes(len(good))
    store.write_bytes(bad)
    refused = cluster.sealane("up")
    assert refused.code == 3
    assert str(store) in refused.err
    assert supervisors(cluster) == []
    assert store.read_bytes() == bad
    store.write_bytes(good)
    cluster.sealane("up").check()
    assert kept(cluster)


def test_folders_that_cannot_be_used_are_named_in_one_line(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for home, said in ((tmp_path / "file", "not a directory"), (tmp_path / ("x" * 100), "too long")):
        refused = Cluster("c", {"SEALANE_HOME": str(home)}).sealane("up", *UP)
        assert (refused.code, refused.err.count("\n")) == (2, 1), refused
        assert said in refused.err
        assert "SEALANE_HOME" in refused.err


@pytest.mark.skipif(os.getuid() != 0, reason="makes a folder of another user, which only root can")
def test_somebody_elses_folder_is_left_alone(tmp_path: Path) -> None:
    other = tmp_path / "home" / "c"
    other.mkdir(parents=True, mode=0o700)
    os.chown(other, pwd.getpwnam("nobody").pw_uid, -1)
    for command in (["up", *UP], ["down"]):
        refused = Cluster("c", {"SEALANE_HOME": str(tmp_path / "home")}).sealane(command[0], *command[1:])
        assert refused.code == 2
        assert "folder of yours" in refused.err
    assert other.is_dir()


def test_two_ups_at_once_make_one_cluster(cluster: Cluster) -> None:
    both = [begin(cluster, "up", "-", *UP, stdin=CONFIG) for _ in range(2)]
    assert [end(each).check().code for each in both] == [0, 0]
    assert len([each for each in cluster.status()["processes"] if each["role"] == "supervisor"]) == 1
    ours = {each["pid"] for each in cluster.status()["processes"]}
    spawner = {pid for pid in supervisors(cluster) if parent(pid) in ours}
    assert set(supervisors(cluster)) == ours | spawner


def parent(pid: int) -> int:
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])


def test_down_while_up_runs_waits_for_it_and_wins(cluster: Cluster) -> None:
    never = CONFIG + "---\napiVersion: v1\nkind: Pod\nmetadata: {name: never}\nspec: {nodeName: node-9, "
    never += "containers: [{name: a, image: nginx}]}\n"
    up = begin(cluster, "up", "-", *UP, stdin=never)
    eventually(lambda: (folder(cluster) / "origins.json").exists())
    cluster.sealane("down").check()
    done = end(up)
    assert done.code == 1
    assert "was stopped" in done.err
    assert not folder(cluster).exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
def test_up_ended_at_any_instant_leaves_what_the_next_up_and_down_can_use(
    cluster: Cluster, number: signal.Signals
) -> None:
    for milliseconds in (30, 200, 260, 400, 550):
        up = begin(cluster, "up", "-", *UP, stdin=CONFIG)
        time.sleep(milliseconds / 1000)
        up.send_signal(number)
        end(up)
        if milliseconds % 200:
            cluster.sealane("up", "-", *UP, stdin=CONFIG).check()
            assert kept(cluster)
            assert sum(parent(pid) not in supervisors(cluster) for pid in supervisors(cluster)) == 1
        gone = cluster.sealane("down")
        assert gone.code in (0, 4), gone  # 4: it was ended before it made anything
        assert supervisors(cluster) == []
        assert not folder(cluster).exists()


NOT_YET = """
import os, signal, sys, time
from sealane.cluster import lifecycle

started = lifecycle.start

def start(folder, options):
    found = started(folder, options)
    os.kill(os.getpid(), signal.SIGINT)
    return found

def stop(folder, *, keep=False):
    os.kill(os.getpid(), signal.SIGINT)
    return stopped(folder, keep=keep)

stopped, lifecycle.start, lifecycle.stop = lifecycle.stop, start, stop
from sealane.cli import main
main()
"""


def test_ctrl_c_at_the_start_and_again_while_up_stops_leaves_nothing_and_says_so(cluster: Cluster) -> None:
    process = subprocess.run(
        [sys.executable, "-c", NOT_YET, "up", *UP, "--name", cluster.name],
        env={**os.environ, "SEALANE_HOME": str(folder(cluster).parent)},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert process.returncode == 130
    assert process.stderr == "sealane: interrupted; stopped again\n"
    assert supervisors(cluster) == []
    assert not folder(cluster).exists()


def test_run_that_is_ended_leaves_no_cluster(tmp_path: Path) -> None:
    home = tmp_path / "home"
    process = subprocess.Popen(
        [sys.executable, "-m", "sealane", "run", *UP, "--", "sleep", "60"],
        env={**os.environ, "SEALANE_HOME": str(home)},
        stdin=subprocess.DEVNULL,
    )
    eventually(lambda: any(home.glob("*/kubeconfig.outside")))
    time.sleep(1)
    process.send_signal(signal.SIGTERM)
    assert process.wait(30) != 0
    assert not home.exists()


def test_a_hanging_supervisor_is_ended(cluster: Cluster) -> None:
    cluster.sealane("up", *UP).check()
    [pid] = [each["pid"] for each in cluster.status()["processes"] if each["role"] == "supervisor"]
    os.kill(pid, signal.SIGSTOP)
    cluster.sealane("down").check()
    assert supervisors(cluster) == []


def test_a_control_plane_that_hangs_is_started_again_and_meanwhile_commands_say_so(cluster: Cluster) -> None:
    cluster.sealane("up", "-", *UP, stdin=CONFIG).check()
    [pid] = [each["pid"] for each in cluster.status()["processes"] if each["role"] == "control-plane"]
    os.kill(pid, signal.SIGSTOP)
    status, exec_ = begin(cluster, "status"), begin(cluster, "exec", "--name", cluster.name, "pod/any", "--", "true")
    for done in (end(status), end(exec_)):
        assert done.code == 5, done
        assert "has not answered for 10 s" in done.out + done.err
    again = eventually(
        lambda: [each for each in cluster.status()["processes"] if each["role"] == "control-plane" and each["restarts"]]
    )
    assert again[0]["pid"] != pid
    assert kept(cluster)


def test_processes_that_hang_are_named_and_started_again(cluster: Cluster) -> None:
    cluster.sealane("up", "-", *UP, stdin=BALANCED).check()
    roles = ("nodes", "dns", "stand-ins", "host-access")
    pids = {each["role"]: each["pid"] for each in cluster.status()["processes"]}
    for role in roles:
        os.kill(pids[role], signal.SIGSTOP)
    named: set[str] = set()  # their last signs of life came at different times

    def name_them() -> set[str]:
        found = cluster.sealane("status")
        new = {role for role in roles if f"{pids[role]} (hangs)" in found.out}
        assert found.code == 5 or not new, found
        named.update(new)
        return named

    eventually(lambda: "nodes" in name_them())
    refused = cluster.exec("web", "true")
    assert refused.code == 5, refused
    assert "has heard nothing of" in refused.err
    eventually(lambda: name_them() == set(roles))

    def restarts() -> dict[str, int]:
        return {each["role"]: each["restarts"] for each in cluster.status()["processes"] if each["restarts"]}

    eventually(lambda: restarts() == dict.fromkeys(roles, 1))
    eventually(lambda: cluster.exec("web", "true").ok)


BALANCED = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: web, image: web, ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 8080}]}
"""


def takes_connections(host: str, port: int) -> bool:
    try:
        socket.create_connection((host, port)).close()
    except ConnectionError:
        return False
    return True


def test_mirrors_come_back_while_the_api_does_not_answer(cluster: Cluster) -> None:
    cluster.sealane("up", "-", *UP, stdin=BALANCED).check()
    host, _, port = eventually(lambda: cluster.status()["reachable"])[0]["host"].rpartition(":")
    pids = {each["role"]: each["pid"] for each in cluster.status()["processes"]}
    os.kill(pids["control-plane"], signal.SIGSTOP)
    try:
        os.kill(pids["host-access"], signal.SIGKILL)
        eventually(lambda: not Path(f"/proc/{pids['host-access']}").exists())
        eventually(lambda: takes_connections(host, int(port)))
    finally:
        os.kill(pids["control-plane"], signal.SIGCONT)


def test_a_port_that_was_taken_meanwhile_is_replaced(cluster: Cluster) -> None:
    cluster.sealane("up", "-", *UP, stdin=CONFIG).check()
    cluster.sealane("down", "--keep").check()
    port = json.loads((folder(cluster) / "cluster.json").read_text())["api_port"]
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", port))
        other.listen()
        cluster.sealane("up").check()
        assert not cluster.status()["api"].endswith(f":{port}")
        assert kept(cluster)


@pytest.mark.skipif(os.getuid() != 0, reason="mounts a small file system, which only root can without a user namespace")
def test_a_full_disk_refuses_writes_and_loses_nothing(shared: Path) -> None:
    script = Path(__file__).parent / "full_disk.sh"
    path = f"{Path(kubectl_path()).parent}:{os.environ['PATH']}"
    env = {"PYTHON": sys.executable, "PATH": path}
    done = run(["unshare", "-m", "--propagation", "private", "bash", str(script), str(shared)], env=env, seconds=90)
    assert done.ok, done
