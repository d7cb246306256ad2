"""Pods for real, as root and as an ordinary user: see `pods_scenarios`."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from users import AS_NOBODY, NOBODY, cannot_become_nobody

SCENARIOS = (
    "stand_in_answers",
    "command_runs_in_its_own_world",
    "ends_and_restarts",
    "finished_pods_give_their_addresses_back",
    "listens_where_its_manifest_says",
    "what_needs_its_image_is_done_or_answered",
    "probes_decide",
    "deletion_is_graceful",
    "crashes_are_survived",
    "exec_and_logs",
)


@pytest.fixture(params=["root", "nobody"])
def user(request: pytest.FixtureRequest) -> list[str]:
    """What to put before a command to run it as that user."""
    if request.param == "root" and os.geteuid() != 0:
        pytest.skip("not root")
    if request.param == "root" or os.geteuid() != 0:
        return []
    if cannot_become_nobody():
        pytest.skip(cannot_become_nobody())
    return [*AS_NOBODY]


@pytest.fixture
def folder(user: list[str]) -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="sealane-pods-") as made:
        if user:
            os.chown(made, NOBODY, NOBODY)
        yield Path(made)


@pytest.mark.parametrize("scenario", SCENARIOS)
def test_pods(scenario: str, user: list[str], folder: Path) -> None:
    world = Path(__file__).with_name("pods_world.py")
    result = subprocess.run(
        [*user, sys.executable, str(world), scenario, str(folder)],
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
        env={**os.environ, "HOME": str(folder)},
    )
    if "user namespaces are not allowed" in result.stderr:
        pytest.skip(result.stderr.strip().splitlines()[-1])
    assert result.stdout.strip().endswith("played"), f"{result.stdout}\n{result.stderr}"
    leftovers = [line for line in result.stderr.splitlines() if "Traceback" in line]
    assert not leftovers, result.stderr
