"""The model against packets, on whole clusters of manifests, as root and in a user namespace without root."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from agree_lab import SCENARIOS
from users import AS_NOBODY, as_nobody


def play(name: str, run: Path, prefix: list[str]) -> None:
    lab = Path(__file__).with_name("agree_lab.py")
    command = [*prefix, sys.executable, str(lab), name, str(run)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=90)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("played to the end\n")


@pytest.mark.parametrize("name", SCENARIOS)
def test_packets(name: str, shared: Path) -> None:
    if name.startswith("names") and shutil.which("dig") is None:
        pytest.skip("needs dig")
    play(name, shared / "run", [])


@as_nobody
def test_packets_without_root(shared: Path) -> None:
    play("shop_agrees", shared / "run", [*AS_NOBODY])
