"""kubectl as people type it: every command of kubectl.txt, in a terminal."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.clients.conftest import certificate, variables
from tests.clients.corpus import HERE
from tests.clients.steps import Desk
from tests.clients.transcript import scenarios

from sealane.testing.cluster import Cluster

SCENARIOS = scenarios(HERE / "kubectl.txt")


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    cluster, folder = Cluster(f"kubectl-{os.getpid()}"), tmp_path_factory.mktemp("desk")
    try:
        cluster.sealane("up", "--nodes", "2", "--dns-upstream", "none").check()
        env = variables(cluster, folder)
        kubeconfig = folder / "kubeconfig"  # commands write to it
        kubeconfig.write_text(Path(env["KUBECONFIG"]).read_text())
        certificate(folder / "cert.pem", folder / "key.pem", "api.example.com")
        cluster.kubectl("apply", "-f", str(HERE / "kubectl_world.yaml")).check()
        cluster.kubectl("wait", "deploy/web", "pod/talker", "--for=condition=Available", "--timeout=30s")
        yield Desk(cluster, {**env, "KUBECONFIG": str(kubeconfig)}, folder)
    finally:
        cluster.sealane("down")


@pytest.mark.parametrize("command", SCENARIOS)
def test_command(desk: Desk, command: str) -> None:
    desk.play(SCENARIOS[command])
