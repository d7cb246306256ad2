"""Starting, killing and stopping clusters."""

from __future__ import annotations

import contextlib
import os
import pwd
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from users import as_nobody

from sealane.testing.cluster import Cluster, eventually, run

CONFIG = """
apiVersion: v1
kind: ConfigMap
metadata: {name: written-before, namespace: default}
data: {kept: "yes"}
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
"""


@pytest.fixture
def name(request: pytest.FixtureRequest) -> Iterator[str]:
    chosen = f"life-{os.getpid()}-{abs(hash(request.node.name)) % 10_000}"
    yield chosen
    Cluster(chosen).sealane("down")


def alive(pid: int) -> bool:
    return Path(f"/proc/{pid}").exists() and ") Z" not in Path(f"/proc/{pid}/stat").read_text()


def test_everything_killed_then_up_keeps_objects_and_down_leaves_nothing(name: str) -> None:
    cluster = Cluster.start(name, nodes=2)
    cluster.apply(CONFIG)
    cluster.apply(WEB)
    before = cluster.status()
    pids = [each["pid"] for each in before["processes"]]
    assert {each["role"] for each in before["processes"]} >= {
        "supervisor",
        "control-plane",
        "nodes",
        "dns",
        "stand-ins",
    }
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    eventually(lambda: not any(alive(pid) for pid in pids))
    assert cluster.status()["phase"] == "dead"
    assert cluster.sealane("kubeconfig").code == 4

    cluster.sealane("up", "--dns-upstream", "none").check()
    assert cluster.get("configmap", "written-before", "default")["data"] == {"kept": "yes"}
    assert cluster.exec("deploy/web", "curl", "-sS", "-m", "5", "http://web/").ok

    pids = [each["pid"] for each in cluster.status()["processes"]]
    folder = Path(cluster.status()["folder"])
    cluster.stop()
    assert not any(alive(pid) for pid in pids)
    assert not folder.exists()
    assert cluster.sealane("status").code == 4


@pytest.mark.parametrize("role", ["control-plane", "nodes", "dns", "stand-ins"])
def test_a_killed_process_is_started_again(name: str, role: str) -> None:
    cluster = Cluster.start(name, nodes=1)
    cluster.apply(WEB)
    [pid] = [each["pid"] for each in cluster.status()["processes"] if each["role"] == role]
    os.kill(pid, signal.SIGKILL)
    eventually(lambda: not alive(pid))

    def again() -> bool:
        [found] = [each for each in cluster.status()["processes"] if each["role"] == role]
        return found["pid"] != pid and found["alive"]

    eventually(again)
    eventually(lambda: cluster.exec("deploy/web", "curl", "-sS", "-m", "2", "http://web/").ok)
    cluster.apply(WEB.replace("name: web", "name: web2").replace("app: web", "app: web2"))
    assert cluster.exec("deploy/web2", "curl", "-sS", "-m", "5", "http://web2/").ok


def test_two_clusters_do_not_disturb_each_other(name: str) -> None:
    first = Cluster.start(name, nodes=1)
    second = Cluster.start(f"{name}-b", nodes=1)
    try:
        first.apply(WEB)
        assert first.exec("deploy/web", "curl", "-sS", "-m", "5", "http://web/").ok
        assert second.kubectl("get", "deploy", "web").code == 1
    finally:
        second.stop()
    assert first.exec("deploy/web", "curl", "-sS", "-m", "5", "http://web/").ok


@as_nobody
def test_without_root_the_same_works(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    nobody = pwd.getpwnam("nobody")
    home = Path("/tmp") / f"sealane-test-{os.getpid()}"
    home.mkdir(mode=0o700)
    os.chown(home, nobody.pw_uid, nobody.pw_gid)

    def nobodys(*arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sealane", *arguments],
            user=nobody.pw_uid,
            group=nobody.pw_gid,
            extra_groups=[],
            env={**os.environ, "SEALANE_HOME": str(home / "state"), "HOME": str(home)},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=120,
            cwd="/",
        )

    try:
        started = nobodys("up", "-", "--name", name, "--nodes", "2", "--dns-upstream", "none", stdin=WEB)
        assert started.returncode == 0, started.stderr
        curl = nobodys("exec", "--name", name, "deploy/web", "--", "curl", "-sS", "-m", "5", "http://web/")
        assert curl.returncode == 0, curl.stderr
        assert '"pod"' in curl.stdout
    finally:
        nobodys("down", "--name", name)
    assert not any(home.iterdir())
    home.rmdir()


def test_bad_input_is_named_and_nothing_is_applied(name: str, tmp_path: Path) -> None:
    (tmp_path / "good.yaml").write_text(CONFIG)
    (tmp_path / "bad.yaml").write_text(WEB.replace("replicas: 2", "replics: 2"))
    cluster = Cluster.start(name, nodes=1)
    refused = cluster.sealane("up", str(tmp_path))
    assert refused.code == 2
    assert "bad.yaml:6" in refused.err
    assert 'did you mean "replicas"' in refused.err
    assert cluster.kubectl("get", "configmap", "written-before").code == 1
    kept_going = cluster.sealane("up", str(tmp_path), "--keep-going")
    assert kept_going.code == 2
    assert cluster.kubectl("get", "configmap", "written-before").ok


def test_commands_say_that_there_is_no_cluster() -> None:
    for command in (["kubeconfig"], ["exec", "a", "--", "true"], ["logs", "a"], ["down"]):
        done = run([sys.executable, "-m", "sealane", command[0], "--name", "no-such", *command[1:]])
        assert done.code == 4, done
        assert "no-such" in done.err
        assert "Traceback" not in done.err
