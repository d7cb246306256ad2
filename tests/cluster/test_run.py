"""`sealane run`: what becomes of its command becomes of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sealane.testing.cluster import Cluster, Done, eventually, run


@pytest.fixture
def home(tmp_path: Path) -> dict[str, str]:
    return {"SEALANE_HOME": str(tmp_path / "home")}


def sealane_run(home: dict[str, str], *command: str) -> Done:
    return run([sys.executable, "-m", "sealane", "run", "--nodes", "1", "--dns-upstream", "none", *command], env=home)


def test_the_exit_code_is_that_of_the_command(home: dict[str, str], tmp_path: Path) -> None:
    done = sealane_run(home, "--", "sh", "-c", 'test -r "$KUBECONFIG" && exit 42')
    assert (done.code, done.err) == (42, "")
    assert not list(tmp_path.glob("home/*"))


def test_a_command_that_is_not_there_is_said_in_one_line(home: dict[str, str], tmp_path: Path) -> None:
    (tmp_path / "no-such-command").touch(mode=0o644)  # what PATH has and cannot be run is not there
    home |= {"PATH": f"{os.environ['PATH']}:{tmp_path}"}
    done = sealane_run(home, "--", "no-such-command")
    assert (done.code, done.err) == (1, "sealane: run: No such file or directory (no-such-command)\n")
    assert not list(tmp_path.glob("home/*"))


def test_a_cluster_that_runs_is_used_at_once_and_stays(home: dict[str, str]) -> None:
    cluster = Cluster.start("stays", nodes=1, env=home)
    script = 'test -r "$KUBECONFIG" && exit 42'
    assert cluster.sealane("run", "--", "sh", "-c", script).code == 42
    outside = [sys.executable, "-m", "sealane", "outside", "stays", "--", "sh", "-c", script]
    assert run(outside, env=home).code == 42
    assert cluster.status()["phase"] == "running"
    missing = run([sys.executable, "-m", "sealane", "outside", "nobody", "--", "true"], env=home)
    assert (missing.code, missing.err.startswith("sealane: cluster 'nobody' does not run")) == (4, True)
    cluster.stop()


def test_names_outside_are_those_of_the_cluster_and_of_the_hosts_file(home: dict[str, str]) -> None:
    before = Path("/etc/resolv.conf").read_bytes()
    ask = "import socket, sys; print(*(socket.gethostbyname(each) for each in sys.argv[1:]))"
    names = ("kubernetes.default.svc.cluster.local", "kube-dns.kube-system", "localhost")
    done = sealane_run(home, "--", sys.executable, "-c", ask, *names)
    assert (done.out.split(), done.err) == (["10.96.0.1", "10.96.0.10", "127.0.0.1"], "")
    assert Path("/etc/resolv.conf").read_bytes() == before


@pytest.mark.parametrize("number", [2, 15])
def test_signals_reach_the_command_and_the_cluster_stops(home: dict[str, str], tmp_path: Path, number: int) -> None:
    told = tmp_path / "told"
    script = f"trap 'echo got it; exit 9' INT TERM; touch {told}; while :; do sleep 0.05; done"
    argv = [sys.executable, "-m", "sealane", "run", "--nodes", "1", "--dns-upstream", "none", "--", "sh", "-c", script]
    process = subprocess.Popen(argv, env={**os.environ, **home}, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    deadline = time.monotonic() + 20
    while not told.exists() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(number)
    out, err = process.communicate(timeout=100)
    assert (process.returncode, out) == (9, b"got it\n")
    assert b"sealane" not in err  # the shell may say "Terminated" about its own sleep
    assert not list(tmp_path.glob("home/*"))


def test_a_run_that_is_killed_takes_its_cluster_with_it(home: dict[str, str], tmp_path: Path) -> None:
    told = tmp_path / "told"
    argv = [sys.executable, "-m", "sealane", "run", "--nodes", "1", "--dns-upstream", "none", "--"]
    script = f"touch {told}; exec sleep 1000"
    process = subprocess.Popen([*argv, "sh", "-c", script], env={**os.environ, **home}, stderr=subprocess.DEVNULL)
    eventually(told.exists)
    process.kill()
    process.wait()
    eventually(lambda: not list(tmp_path.glob("home/*")))


def test_a_supervisor_that_was_stopped_is_woken_to_end(home: dict[str, str], tmp_path: Path) -> None:
    cluster = Cluster.start("stopped", nodes=1, env=home)
    record = json.loads((tmp_path / "home/stopped/cluster.json").read_text())
    pid = next(one["pid"] for one in record["processes"] if one["role"] == "supervisor")
    os.kill(pid, signal.SIGSTOP)
    cluster.stop()
    assert not list(tmp_path.glob("home/*"))
