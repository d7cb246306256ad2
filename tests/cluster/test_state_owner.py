"""A state folder of somebody else is refused by every command, also where its owner is root."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hosts import snapshot
from users import NOBODY, as_nobody

COMMANDS = (
    ("up",),
    ("status", "--name", "sealane"),
    ("kubeconfig",),
    ("down",),
    ("exec", "pod", "--", "true"),
    ("logs", "pod"),
    ("snapshot", "save", "/dev/null"),
    ("trace", "a", "b"),
)


@pytest.fixture
def planted() -> Iterator[Path]:
    """A home, the folder of a cluster in it, and a process that its record names."""
    home = Path(tempfile.mkdtemp(prefix="planted-", dir="/tmp"))
    victim = subprocess.Popen(["sleep", "600"])
    started = int(Path(f"/proc/{victim.pid}/stat").read_text().rpartition(")")[2].split()[19])
    (home / "sealane").mkdir(mode=0o700)
    record = {
        "name": "sealane",
        "phase": "running",
        "options": {},
        "api_port": 1,
        "processes": [{"role": "supervisor", "pid": victim.pid, "started": started}],
    }
    (home / "sealane/cluster.json").write_text(json.dumps(record))
    (home / "sealane/kubeconfig").write_text("{}")
    yield home
    assert victim.poll() is None  # nobody ended it
    victim.kill()
    victim.wait()
    shutil.rmtree(home)


@as_nobody
@pytest.mark.parametrize("whose", ["folder", "home"])
def test_roots_commands_refuse_a_folder_of_nobody(planted: Path, whose: str) -> None:
    for path in [planted / "sealane", *(planted / "sealane").iterdir()] if whose == "folder" else [planted]:
        os.chown(path, NOBODY, NOBODY)
    before = snapshot(planted)
    for command in COMMANDS:
        done = subprocess.run(
            [sys.executable, "-m", "sealane", *command],
            env={**os.environ, "SEALANE_HOME": str(planted)},
            capture_output=True,
            text=True,
            timeout=60,
        )
        assert done.returncode == 2, (command, done)
        assert done.stderr.count("\n") == 1, done.stderr
        assert "yours" in done.stderr
    assert snapshot(planted) == before


@as_nobody
def test_without_a_home_the_folder_below_tmp_must_be_ours() -> None:
    """Root has made it for nobody, who has no home; each command of nobody says that it is not used."""
    path = Path(f"/tmp/sealane-{NOBODY}")
    if path.exists():
        pytest.skip(f"{path} is there: somebody's cluster")
    path.mkdir(mode=0o777)
    try:
        for command in (("up",), ("status",), ("down",)):
            done = subprocess.run(
                [sys.executable, "-m", "sealane", *command],
                user=NOBODY,
                group=NOBODY,
                extra_groups=[],
                env={"PATH": os.environ["PATH"], "HOME": "/nonexistent"},
                capture_output=True,
                text=True,
                timeout=60,
                cwd="/",
            )
            assert done.returncode == 2, done
            assert done.stderr.startswith(f"sealane: {path}: belongs to root")
            assert done.stderr.count("\n") == 1
        assert not list(path.iterdir())
    finally:
        path.rmdir()
