"""Helm installs, upgrades, rolls back and uninstalls a chart: the helm on the PATH, else Helm's SDK of PyPI."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import variables

from sealane.testing.cluster import Cluster, eventually

CHART = Path(__file__).parent / "chart"
HELM = shutil.which("helm")

pytestmark = [
    pytest.mark.sealane(nodes=2),
    pytest.mark.skipif(not HELM and find_spec("helm_python") is None, reason="no helm: pip install helm-python-sdk"),
]

# The same words as those of the command: install CHART NAME VALUES, upgrade, rollback NAME REVISION, …
SDK = """
import json, sys
import helm_python as helm
verb, *words = sys.argv[1:]
with helm.Config(namespace="default") as config:
    match verb:
        case "install" | "upgrade":
            chart, name, values = words
            found = getattr(config, verb)(chart, name, json.loads(values), wait="watcher", timeout=60)
        case "rollback":
            found = config.rollback(words[0], version=int(words[1]))
        case "history" | "get_values" | "uninstall":
            found = getattr(config, verb)(words[0])
        case "list":
            found = config.list()
print(json.dumps(found, default=str))
"""


class Helm:
    def __init__(self, sealane: Cluster, folder: Path) -> None:
        self._env = variables(sealane, folder)

    def __call__(self, verb: str, *words: str) -> Any:
        argv = self._command(verb, words) if HELM else [sys.executable, "-c", SDK, verb, *words]
        done = subprocess.run(argv, env=self._env, capture_output=True, text=True, timeout=100)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout) if done.stdout.strip().startswith(("{", "[")) else None

    @staticmethod
    def _command(verb: str, words: tuple[str, ...]) -> list[str]:
        assert HELM
        match verb:
            case "install" | "upgrade":
                chart, name, values = words
                more = [f"--set-json={key}={json.dumps(value)}" for key, value in json.loads(values).items()]
                return [HELM, verb, name, chart, "--wait", "--timeout=60s", "-o", "json", *more]
            case "get_values":
                return [HELM, "get", "values", words[0], "-o", "json"]
            case "history" | "list":
                return [HELM, verb, *words, "-o", "json"]
        return [HELM, verb, *words]


@pytest.fixture
def helm(sealane: Cluster, tmp_path: Path) -> Helm:
    return Helm(sealane, tmp_path)


def replicas(sealane: Cluster) -> int:
    return int(sealane.get("deployment", "shop", "default")["status"].get("readyReplicas", 0))


def words(sealane: Cluster) -> dict[str, str]:
    found: dict[str, str] = sealane.get("configmap", "shop-words", "default")["data"]
    return found


def test_a_release_and_its_revisions(sealane: Cluster, helm: Helm) -> None:
    helm("install", str(CHART), "shop", "{}")
    assert replicas(sealane) == 1  # it has waited
    assert words(sealane) == {"colour": "white", "revision": "1"}
    assert sealane.get("httproute", "shop", "default")  # the chart asked which APIs there are
    assert sealane.get("job", "shop-before", "default")["status"]["succeeded"] == 1
    helm("upgrade", str(CHART), "shop", '{"replicas": 3, "colour": "blue"}')
    assert replicas(sealane) == 3
    assert words(sealane) == {"colour": "blue", "revision": "2"}
    assert helm("get_values", "shop") == {"replicas": 3, "colour": "blue"}
    helm("rollback", "shop", "1")
    assert words(sealane)["colour"] == "white"
    eventually(lambda: replicas(sealane) == 1)
    revisions = [(int(each["revision"]), each["status"]) for each in helm("history", "shop")]
    assert revisions == [(1, "superseded"), (2, "superseded"), (3, "deployed")]
    assert [each["name"] for each in helm("list")] == ["shop"]
    secrets = sealane.get("secrets", namespace="default")["items"]
    assert sum(each["type"] == "helm.sh/release.v1" for each in secrets) == 3
    helm("uninstall", "shop")
    assert not sealane.get("deployments", namespace="default")["items"]
    eventually(lambda: jobs_pods_only(sealane))


def jobs_pods_only(sealane: Cluster) -> bool:
    """Helm leaves what hooks made."""
    return all("batch.kubernetes.io/job-name" in each["metadata"]["labels"] for each in pods(sealane))


def pods(sealane: Cluster) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = sealane.get("pods", namespace="default")["items"]
    return found
