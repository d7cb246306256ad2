"""Sets of manifests that people have, each on a cluster of its own: does everything of it become ready, and when?

python tests/cluster/sets_lab.py [NAME…]      a table; exit code 1 when a set is not ready

The sets are reductions, written for this purpose, of public ones: each file names the real set, its version
and how to get it, so that anybody can repeat this with the real one. A set may take as long as its own delays allow.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml

SETS = Path(__file__).parents[1] / "sets"
SEALANE = Path(sys.executable).with_name("sealane")
KUBECTL = Path(sys.executable).with_name("kubectl")
MISSING_SECONDS = 5.0
"""What a stand-in waits for a Secret that nobody makes."""
SPARE_SECONDS = 20.0
"""For a machine that does other things as well."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """took: seconds from the command to ready. allowed: what its own delays allow. problems: none when all is ready."""

    name: str
    took: float
    allowed: float
    pods: int
    problems: tuple[str, ...]

    def row(self) -> str:
        said = "all ready" if not self.problems else "NOT READY"
        return f"{self.name:20} {said:10} {self.took:6.1f} s of {self.allowed:4.0f} s  {self.pods:3} pods"


def names() -> list[str]:
    return sorted(path.stem for path in SETS.glob("*.yaml"))


def allowed(objects: Iterable[Mapping[str, Any]]) -> float:
    """Seconds: the longest way of a pod through its startup and readiness probes' delays, and what is spare."""
    specs = [spec for each in objects for spec in _pod_specs(each)]
    longest = max((_delay(container) for spec in specs for container in spec.get("containers") or ()), default=0.0)
    return longest + MISSING_SECONDS + SPARE_SECONDS


def _delay(container: Mapping[str, Any]) -> float:
    probes = [container.get(key) or {} for key in ("startupProbe", "readinessProbe")]
    return sum(
        float(each.get("initialDelaySeconds", 0)) + float(each.get("periodSeconds", 10)) for each in probes if each
    )


def _pod_specs(each: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
    spec = each.get("spec") or {}
    if each.get("kind") == "Pod":
        yield spec
    elif "template" in spec:
        yield spec["template"].get("spec") or {}


def bring_up(name: str, home: Path) -> Outcome:
    """Starts a cluster in `home`, applies the set, waits, looks, and stops the cluster."""
    path = SETS / f"{name}.yaml"
    limit = allowed(each for each in yaml.safe_load_all(path.read_text()) if each)
    environment = {**os.environ, "SEALANE_HOME": str(home)}
    cluster = f"set-{name}"
    began = time.monotonic()
    try:
        up = _run([str(SEALANE), "up", str(path), "--name", cluster, "--timeout", str(int(limit))], environment)
        took = time.monotonic() - began
        problems = [] if up.returncode == 0 else [f"up ended with {up.returncode}: {up.stderr.strip()}"]
        kubeconfig = _run([str(SEALANE), "kubeconfig", "--name", cluster], environment).stdout.strip()
        pods = _get({**environment, "KUBECONFIG": kubeconfig}, "pods")
        problems += list(_unready(pods))
        problems += list(_unfinished(_get({**environment, "KUBECONFIG": kubeconfig}, "jobs")))
        return Outcome(name, took, limit, len(pods), tuple(problems))
    finally:
        _run([str(SEALANE), "down", "--name", cluster], environment)


def _get(environment: Mapping[str, str], kind: str) -> list[dict[str, Any]]:
    done = _run([str(KUBECTL), "get", kind, "-A", "-o", "json"], environment)
    return list(json.loads(done.stdout)["items"]) if done.returncode == 0 else []


def _unready(pods: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for pod in pods:
        status, name = pod["status"], f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
        ready = any(each["type"] == "Ready" and each["status"] == "True" for each in status.get("conditions") or ())
        restarts = sum(each["restartCount"] for each in status.get("containerStatuses") or ())
        if status.get("phase") != "Succeeded" and not ready:
            yield f"pod {name} is not ready: {json.dumps(status.get('containerStatuses'))}"
        if restarts:
            yield f"pod {name} restarted {restarts} times"


def _unfinished(jobs: Iterable[Mapping[str, Any]]) -> Iterator[str]:
    for job in jobs:
        done = any(
            each["type"] == "Complete" and each["status"] == "True" for each in job["status"].get("conditions", ())
        )
        if not done:
            yield f"job {job['metadata']['namespace']}/{job['metadata']['name']} is not complete"


def _run(words: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False, env=dict(environment))


def main(wanted: list[str]) -> int:
    unknown = sorted(set(wanted) - set(names()))
    if unknown:
        print(f"no such set: {', '.join(unknown)}; there are {', '.join(names())}", file=sys.stderr)
        return 2
    failed = 0
    for name in wanted or names():
        with tempfile.TemporaryDirectory(prefix="sealane-sets-") as home:
            outcome = bring_up(name, Path(home))
        print(outcome.row(), flush=True)
        for problem in outcome.problems:
            print(f"    {problem}", flush=True)
        failed += bool(outcome.problems)
    print(f"{len(wanted or names()) - failed} of {len(wanted or names())} sets: all ready")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
