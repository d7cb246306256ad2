"""Each command of the corpus' shell blocks, word for word, in a cluster that has what the documents talk about."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from tests.clients import corpus
from tests.clients.conftest import certificate, variables
from tests.clients.steps import SECONDS, Desk

from sealane.testing.cluster import Cluster, eventually

TABLE = corpus.table("corpus_commands.yaml")
NODES = 2

pytestmark = corpus.needs_corpus


def test_the_table_has_every_command() -> None:
    assert set(TABLE) == corpus.files("bash")
    for name, expected in TABLE.items():
        if "needs" not in expected:
            numbers = [number for number in expected if isinstance(number, int)]
            assert numbers == list(range(1, len(corpus.commands(corpus.read(name))) + 1)), name


@pytest.fixture(scope="module")
def desk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Desk]:
    """The folder has the certificates that the commands name, and curl's configuration.

    That says where shop.example.com is, as the documents want it of DNS or /etc/hosts.
    """
    cluster, folder = Cluster(f"commands-{os.getpid()}"), tmp_path_factory.mktemp("desk")
    try:
        world = str(corpus.HERE / "world.yaml")
        cluster.sealane("up", "--populate", world, "--nodes", str(NODES), "--dns-upstream", "none").check()
        certificate(folder / "shop.example.com.crt", folder / "shop.example.com.key", "shop.example.com")
        certificate(folder / "cert.pem", folder / "key.pem", "api.example.com")
        curl_knows(folder, eventually(lambda: address_of_the_gateway(cluster)))
        yield Desk(cluster, variables(cluster, folder), folder)
    finally:
        cluster.sealane("down")


def address_of_the_gateway(cluster: Cluster) -> str:
    status: dict[str, Any] = cluster.get("gateway", "shop-gateway", "cluster-system")["status"]
    return str(status["addresses"][0]["value"])


def curl_knows(folder: Path, address: str) -> None:
    resolve = [f'resolve = "shop.example.com:{port}:{address}"' for port in (80, 443)]
    (folder / ".curlrc").write_text("\n".join([*resolve, "silent", "show-error", "max-time = 10", ""]))


@pytest.mark.parametrize("name", [name for name, expected in TABLE.items() if "needs" not in expected])
def test_each_command_of_a_block(desk: Desk, name: str) -> None:
    expected = TABLE[name]
    written = corpus.commands(corpus.read(name))
    desk.play(
        {**expected[number], "run": meant(command, expected[number])} for number, command in enumerate(written, 1)
    )
    if "after" in expected:
        undo = ["bash", "-c", expected["after"]]
        subprocess.run(undo, env=desk.env, check=True, capture_output=True, timeout=SECONDS)


def meant(command: str, step: Mapping[str, Any]) -> str:
    for placeholder, value in step.get("with", {}).items():
        assert placeholder in command
        command = command.replace(placeholder, value)
    return command
