"""Services and policies in the kernel, judged by packets, as root and in a user namespace without root."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
from nft_scenarios import SCENARIOS
from users import AS_NOBODY, as_nobody


def play(name: str, prefix: list[str]) -> None:
    # Not below pytest's own folder, which only the user that runs pytest may enter.
    with tempfile.TemporaryDirectory(prefix="sealane-nft-") as folder:
        os.chmod(folder, 0o777)
        lab = Path(__file__).with_name("nft_lab.py")
        command = [*prefix, sys.executable, str(lab), name, f"{folder}/run"]
        result = subprocess.run(command, capture_output=True, text=True, timeout=60)
    assert result.returncode == 0, result.stderr
    assert result.stdout.endswith("played to the end\n")


@pytest.mark.parametrize("name", SCENARIOS)
def test_packets(name: str) -> None:
    play(name, [])


@as_nobody
@pytest.mark.parametrize(
    "name",
    ["node_ports_and_load_balancers_from_outside", "policies_ingress", "many_services", "rewriting_interrupts_nothing"],
)
def test_packets_without_root(name: str) -> None:
    play(name, [*AS_NOBODY])
