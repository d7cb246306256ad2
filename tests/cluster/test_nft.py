"""Services and policies in the kernel, judged by packets, as root and in a user namespace without root."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from nft_scenarios import SCENARIOS


def play(name: str, run: Path, prefix: list[str]) -> None:
    for parent in (run.parent, *run.parent.parents[:2]):
        parent.chmod(0o755)
    run.parent.chmod(0o777)
    lab = Path(__file__).with_name("nft_lab.py")
    command = [*prefix, sys.executable, str(lab), name, str(run)]
    result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("played to the end\n")


@pytest.mark.parametrize("name", SCENARIOS)
def test_packets(name: str, tmp_path: Path) -> None:
    play(name, tmp_path / "run", [])


@pytest.mark.skipif(os.geteuid() != 0, reason="the tests above already run without root")
@pytest.mark.parametrize("name", ["node_ports_and_load_balancers_from_outside", "policies_ingress"])
def test_packets_without_root(name: str, tmp_path: Path) -> None:
    play(name, tmp_path / "run", ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
