"""`sealane run`: what becomes of its command becomes of it."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sealane.testing.cluster import Done, run


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
    done = sealane_run(home, "--", "no-such-command")
    assert (done.code, done.err) == (1, "sealane: run: No such file or directory (no-such-command)\n")
    assert not list(tmp_path.glob("home/*"))


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
    out, err = process.communicate(timeout=20)
    assert (process.returncode, out) == (9, b"got it\n")
    assert b"sealane" not in err  # the shell may say "Terminated" about its own sleep
    assert not list(tmp_path.glob("home/*"))
