"""The real Envoy, in namespaces of the test's own, fed by the routing model."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from users import AS_NOBODY, as_nobody

SCENARIOS = Path(__file__).with_name("envoy_scenarios.py")


def play(scenario: str, folder: Path, *prefix: str) -> None:
    """Runs a scenario in a process of its own, since a world moves into namespaces."""
    done = subprocess.run(
        [*prefix, sys.executable, str(SCENARIOS), scenario, str(folder)],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=100,
        check=False,
    )
    if "namespaces are not allowed" in done.stderr:
        pytest.skip(done.stderr.strip().splitlines()[-1])
    assert done.stdout.strip().endswith("done"), done.stdout + done.stderr


def test_hosts(shared: Path) -> None:
    play("hosts", shared)


def test_rules(shared: Path) -> None:
    play("rules", shared)


def test_envoy_does_what_the_model_says(shared: Path) -> None:
    play("agree", shared)


def test_no_request_fails_while_pods_come_and_go(shared: Path) -> None:
    play("rollout", shared)


def test_tls_by_server_name_and_no_request_fails_while_a_certificate_is_replaced(shared: Path) -> None:
    play("tls", shared)


def test_a_dead_endpoint_is_left_for_another(shared: Path) -> None:
    play("crash", shared)


@as_nobody
def test_without_root(shared: Path) -> None:
    play("hosts", shared, *AS_NOBODY)


def test_from_the_api_to_an_answer(shared: Path) -> None:
    play("api", shared)
