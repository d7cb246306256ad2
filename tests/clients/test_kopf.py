"""An operator written with kopf: a process beside the cluster that reconciles a custom kind."""

from __future__ import annotations

import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from tests.clients.conftest import variables

from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=2)

CRD = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: websites.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: websites, singular: website, kind: Website, shortNames: [web]}
  versions:
  - name: v1
    served: true
    storage: true
    subresources: {status: {}}
    additionalPrinterColumns: [{name: Wanted, type: integer, jsonPath: .status.wanted}]
    schema:
      openAPIV3Schema:
        type: object
        required: [spec]
        properties:
          spec: {type: object, properties: {replicas: {type: integer, minimum: 0, default: 1}}}
          status: {type: object, x-kubernetes-preserve-unknown-fields: true}
"""
WEBSITE = """
apiVersion: example.com/v1
kind: Website
metadata: {name: home}
spec: {replicas: 2}
"""


@pytest.fixture(scope="module")
def operator(sealane: Cluster, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The running operator; where its log is."""
    sealane.kubectl("apply", "-f", "-", stdin=CRD).check()
    sealane.kubectl("wait", "crd/websites.example.com", "--for=condition=Established", "--timeout=30s").check()
    folder = tmp_path_factory.mktemp("operator")
    log = folder / "log"
    argv = [sys.executable, "-m", "kopf", "run", "--standalone", "-n", "default"]
    argv.append(str(Path(__file__).parent / "website_operator.py"))
    with (
        log.open("w") as out,
        subprocess.Popen(argv, env=variables(sealane, folder), stdout=out, stderr=out) as process,
    ):
        try:
            yield log
        finally:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(20)
            except subprocess.TimeoutExpired:
                process.kill()
                raise


def website(sealane: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = sealane.get("website", "home", "default")
    return found


def test_it_reconciles_and_says_goodbye(sealane: Cluster, operator: Path) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=WEBSITE).check()
    try:
        eventually(lambda: website(sealane).get("status", {}).get("wanted") == 2)
        assert website(sealane)["metadata"]["finalizers"] == ["example.com/website"]
        sealane.kubectl("rollout", "status", "deploy/home", "--timeout=30s").check()
        [owner] = sealane.get("deployment", "home", "default")["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["name"]) == ("Website", "home")
        sealane.kubectl("patch", "website", "home", "--type=merge", "-p", '{"spec":{"replicas":3}}').check()
        eventually(lambda: sealane.get("deployment", "home", "default")["spec"]["replicas"] == 3)
        ticks = website(sealane)["status"].get("ticks", 0)
        eventually(lambda: website(sealane)["status"].get("ticks", 0) >= ticks + 2)
        row = sealane.kubectl("get", "web", "home", "--no-headers").check().out.split()
        assert row[:2] == ["home", "3"]
        sealane.kubectl("delete", "website", "home", "--timeout=30s").check()
        assert sealane.get("configmap", "farewell-home", "default")
        eventually(lambda: not sealane.get("pods", namespace="default")["items"])
        eventually(lambda: "3 replicas" in sealane.kubectl("events").check().out)
    except BaseException:
        print(operator.read_text()[-5000:])
        raise
