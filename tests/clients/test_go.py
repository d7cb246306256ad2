"""A client in Go, as operators are written: controller-runtime's cache, server-side apply and election, and SPDY.

Built where there is Go (the go command keeps what it has built); skipped elsewhere.
"""

from __future__ import annotations

import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from tests.clients.conftest import variables

from sealane.testing.cluster import Cluster, eventually

SOURCE = Path(__file__).parent / "go"
GO = shutil.which("go") or shutil.which("go", path="/usr/local/go/bin")
BUILD_SECONDS = 900

pytestmark = [
    pytest.mark.sealane(nodes=2),
    pytest.mark.skipif(GO is None, reason="no Go here"),
    pytest.mark.timeout(BUILD_SECONDS + 120),
]

POD = """
apiVersion: v1
kind: Pod
metadata: {name: web}
spec: {containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]}
"""


@pytest.fixture(scope="module")
def program(tmp_path_factory: pytest.TempPathFactory) -> str:
    folder = tmp_path_factory.mktemp("go")
    for path in SOURCE.iterdir():
        shutil.copy(path, folder)
    done = subprocess.run(
        [GO or "go", "build", "-o", "client", "."], cwd=folder, capture_output=True, text=True, timeout=BUILD_SECONDS
    )
    assert done.returncode == 0, done.stderr
    return str(folder / "client")


@pytest.fixture
def env(sealane: Cluster, tmp_path: Path) -> dict[str, str]:
    return variables(sealane, tmp_path)


@contextmanager
def started(argv: list[str], env: dict[str, str]) -> Iterator[subprocess.Popen[str]]:
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) as process:
        try:
            yield process
        finally:
            process.kill()


def line(process: subprocess.Popen[str]) -> str:
    assert process.stdout is not None
    return process.stdout.readline().strip()


def test_it_leads_applies_and_hands_over(sealane: Cluster, program: str, env: dict[str, str]) -> None:
    with started([program, "lead", "one"], env) as one:
        assert line(one) == "leads one"
        sealane.kubectl("create", "configmap", "words", "--from-literal=a=b").check()
        sealane.kubectl("label", "configmap", "words", "copy=yes").check()

        def copied() -> bool:
            done = sealane.kubectl("get", "secret", "copy-words", "-o", "json", "--show-managed-fields")
            assert done.ok, done.err
            found = done.json()
            assert [each["manager"] for each in found["metadata"]["managedFields"]] == ["copier"]
            assert found["metadata"]["ownerReferences"][0]["name"] == "words"
            assert found["data"] == {"a": "Yg=="}
            return True

        eventually(copied)
        sealane.kubectl("delete", "secret", "copy-words").check()
        eventually(copied)  # what it owns is watched
        lease = sealane.get("lease", "copier", "default")["spec"]
        assert lease["holderIdentity"]
        with started([program, "lead", "two"], env) as two:
            one.terminate()
            assert one.wait(20) is not None
            assert line(two) == "leads two"
            assert sealane.get("lease", "copier", "default")["spec"]["leaseTransitions"] >= 1
    sealane.kubectl("delete", "configmap", "words").check()
    eventually(lambda: not sealane.kubectl("get", "secret", "copy-words").ok)


def test_an_informer_has_what_was_and_what_comes(sealane: Cluster, program: str, env: dict[str, str]) -> None:
    def create(name: str) -> None:
        sealane.kubectl("create", "configmap", name).check()
        sealane.kubectl("label", "configmap", name, "watched=yes").check()

    create("before")
    with started([program, "watch", "2"], env) as process:
        assert line(process) == "synced"
        assert line(process) == "before"
        create("after")
        assert line(process) == "after"
        assert process.wait(20) == 0


def test_exec_and_port_forward_over_spdy(sealane: Cluster, program: str, env: dict[str, str]) -> None:
    sealane.apply(POD)
    script = "read x; echo got $x; echo bad >&2; exit 6"
    done = subprocess.run(
        [program, "exec", "web", "sh", "-c", script],
        env=env,
        input="this\n",
        capture_output=True,
        text=True,
        timeout=60,
    )
    assert (done.returncode, done.stdout) == (6, "got this\n")
    assert "bad\n" in done.stderr
    data = os.urandom(300_000).hex()
    echoed = subprocess.run(
        [program, "exec", "web", "cat"], env=env, input=data, capture_output=True, text=True, timeout=60
    )
    assert echoed.stdout == data
    fetched = subprocess.run(
        [program, "forward", "web", "80", "/here"], env=env, capture_output=True, text=True, timeout=60
    )
    assert '"path": "/here"' in fetched.stdout, fetched.stderr
