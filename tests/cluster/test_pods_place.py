"""Pods have a /tmp of their own, and see in it what the cluster was started from, as root and without."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from users import NOBODY, as_nobody

PROGRAM = "#!/bin/sh\ncat data; exec sleep 1000\n"
PODS = """
apiVersion: v1
kind: Pod
metadata: {{name: runs}}
spec: {{containers: [{{name: c, image: sealane/host, workingDir: "{folder}", command: ["{folder}/program"]}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: by-name}}
spec: {{containers: [{{name: c, image: busybox, workingDir: "{folder}", command: [program]}}]}}
---
apiVersion: v1
kind: Pod
metadata: {{name: from-a-volume}}
spec:
  volumes: [{{name: tools, emptyDir: {{}}}}]
  initContainers:
  - name: i
    image: busybox
    command: [cp, "{folder}/program", /tmp/tools]
    volumeMounts: [&at {{name: tools, mountPath: /tmp/tools}}]
  containers: [{{name: c, image: busybox, workingDir: "{folder}", command: [/tmp/tools/program], volumeMounts: [*at]}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: stand-in}}
spec: {{containers: [{{name: c, image: any}}]}}
"""


def as_user(user: int) -> dict[str, Any]:
    """For subprocess.run. Only root becomes another."""
    return {} if user == os.getuid() else {"user": user, "group": user, "extra_groups": []}


@dataclass(frozen=True)
class Place:
    """A folder below /tmp with a space in its path, a program in it, one beside it, and a cluster started in it."""

    folder: Path
    user: int

    def sealane(self, command: str, *arguments: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-m", "sealane", command, "--name", f"place-{os.getpid()}-{self.user}", *arguments],
            **as_user(self.user),
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder), "SEALANE_HOME": str(self.folder / "state"), "PATH": self.path},
            input=stdin,
            capture_output=True,
            text=True,
            timeout=110,
        )

    def in_pod(self, *command: str) -> subprocess.CompletedProcess[str]:
        return self.sealane("exec", "stand-in", "--", *command)

    @property
    def path(self) -> str:
        """Two folders that have the program; pods see the second."""
        return f"{self.folder.parent}:{self.folder}:{os.environ['PATH']}"

    @property
    def beside(self) -> Path:
        return self.folder.parent / "program"


@pytest.fixture(scope="module", params=[os.getuid(), pytest.param(NOBODY, marks=as_nobody)], ids=["self", "nobody"])
def place(request: pytest.FixtureRequest) -> Iterator[Place]:
    above = Path(tempfile.mkdtemp(prefix="a place ", dir="/tmp"))
    found = Place(above / "started, here", request.param)
    found.folder.mkdir()
    for program in (found.folder / "program", found.beside):
        program.write_text(PROGRAM)
        program.chmod(0o755)
    (found.folder / "data").write_text("of the host\n")
    for path in (above, *above.rglob("*")):
        if found.user != os.getuid():
            os.chown(path, found.user, found.user)
    try:
        up = ["-", "--nodes", "1", "--dns-upstream", "none"]
        started = found.sealane("up", *up, stdin=PODS.format(folder=found.folder))
        assert started.returncode == 0, started.stderr
        yield found
    finally:
        found.sealane("down")
        shutil.rmtree(above)


def test_a_program_of_the_folder_that_up_was_started_in_runs(place: Place) -> None:
    logs = place.sealane("logs", "runs")
    assert (logs.stdout, logs.stderr) == ("of the host\n", "")


@pytest.mark.parametrize("pod", ["by-name", "from-a-volume"])
def test_a_program_is_looked_for_where_the_pod_sees_it(place: Place, pod: str) -> None:
    """By the PATH of `up`, and in its volumes."""
    logs = place.sealane("logs", pod, "-c", "c")
    assert (logs.stdout, logs.stderr) == ("of the host\n", "")


def test_nothing_else_of_tmp_is_seen(place: Place) -> None:
    assert place.in_pod("ls", "/tmp", str(place.folder.parent)).returncode == 0
    assert not place.in_pod("ls", str(place.folder.parent)).stdout.strip().replace(place.folder.name, "")
    said = place.in_pod(str(place.beside)).stderr
    assert f"({place.beside}): a pod has a /tmp of its own" in said
    assert f"start the cluster in {place.beside.parent}, or put the program elsewhere" in said


def test_what_a_pod_writes_there_stays_in_the_pod(place: Place) -> None:
    written = place.in_pod("sh", "-c", f"echo pod > '{place.folder}/data' && cat '{place.folder}/data'")
    assert (written.stdout, written.stderr) == ("pod\n", "")
    assert (place.folder / "data").read_text() == "of the host\n"


def test_the_state_of_the_cluster_is_hidden_there_too(place: Place) -> None:
    (state,) = (place.folder / "state").iterdir()
    assert (state / "kubeconfig").exists()
    assert place.in_pod("ls", "-A", str(state)).stdout == ""


def test_the_python_that_runs_sealane_runs_in_a_pod(place: Place) -> None:
    """With what is installed beside it, wherever that is."""
    assert place.in_pod(sys.executable, "-c", "import msgspec; print('here')").stdout == "here\n"
