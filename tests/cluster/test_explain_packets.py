"""The model against packets, on whole clusters of manifests, as root and in a user namespace without root."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agree_lab import SCENARIOS


def play(name: str, run: Path, prefix: list[str]) -> None:
    for parent in (run.parent, *run.parent.parents[:2]):
        parent.chmod(0o755)
    run.parent.chmod(0o777)
    lab = Path(__file__).with_name("agree_lab.py")
    command = [*prefix, sys.executable, str(lab), name, str(run)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("played to the end\n")


@pytest.mark.parametrize("name", SCENARIOS)
def test_packets(name: str, tmp_path: Path) -> None:
    if name.startswith("names") and shutil.which("dig") is None:
        pytest.skip("needs dig")
    play(name, tmp_path / "run", [])


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests above already run without root")
def test_packets_without_root(tmp_path: Path) -> None:
    play("shop_agrees", tmp_path / "run", ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
