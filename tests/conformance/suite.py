"""What the runs of official suites share: a Go module built, run inside a cluster of its own, and its results counted.

The suite's own program of a module writes results.jsonl, a line a test: test, result (pass, fail, skip), features.
"""

from __future__ import annotations

import collections
import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Callable, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

NODES = 3
ABOUT = ("-organization=sealane", "-project=sealane", "-url=https://sealane.dev", "-contact=-")

Test = dict[str, Any]


def has_go(target: str) -> bool:
    """Whether Go is here; says so when it is not."""
    if shutil.which("go") is None:
        print(f"{target} needs Go on the PATH", file=sys.stderr)
        return False
    return True


def folder_of(module: str, here: Path) -> Path:
    """The source of a Go module that the one at `here` needs."""
    command = ("go", "list", "-m", "-f", "{{.Dir}}", module)
    return Path(subprocess.run(command, cwd=here, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())


def run(here: Path, out: Path, before: str, flags: Sequence[str]) -> tuple[int, list[Test], list[str]]:
    """The suite's exit code, results and log.

    before: a shell's command that comes first inside the cluster, with kubectl. flags: of the suite.
    """
    out.mkdir(parents=True, exist_ok=True)
    binary, results, log = out / "conformance.test", out / "results.jsonl", out / "suite.log"
    subprocess.run(("go", "test", "-c", "-o", binary, "."), cwd=here, check=True)
    results.unlink(missing_ok=True)
    command = shlex.join(
        (
            str(binary),
            "-test.v",
            "-test.run=TestConformance$",
            f"-results={results}",
            f"-report-output={out / 'report.yaml'}",
            *ABOUT,
            f"-version={version('sealane')}",
            *flags,
        )
    )
    established = "kubectl wait --for=condition=Established crd --all --timeout=30s > /dev/null"
    inside = f"{before} && {established} && exec {command}"
    sealane = (sys.executable, "-m", "sealane", "run", "--nodes", str(NODES), "--", "sh", "-c", inside)
    with log.open("wb") as file:
        code = subprocess.run(sealane, stdout=file, stderr=subprocess.STDOUT, env=os.environ).returncode
    lines = log.read_text(errors="replace").splitlines()
    tests = [json.loads(line) for line in results.read_text().splitlines()] if results.exists() else []
    if not tests:
        print("\n".join(lines[-20:]), file=sys.stderr)
        code = code or 1
    return code, tests, lines


def summarise(tests: Sequence[Test], by: str, told: Callable[[Test], str]) -> int:
    """Prints what failed and how many passed by profile or feature (`by`); 1 when a test failed."""
    for test in sorted(tests, key=lambda test: str(test["test"])):
        if test["result"] == "fail":
            print(f"failed  {test['test']} ({', '.join(test['features'])}){told(test)}")
    groups = {name: [test for test in tests if name in test[by]] for test in tests for name in test[by]}
    width = max(map(len, ("all", *groups)))
    for name, group in (*sorted(groups.items()), ("all", tests)):
        found = collections.Counter(test["result"] for test in group)
        print(f"{name:{width}} {found['pass']} passed, {found['fail']} failed, {found['skip']} skipped")
    return int(any(test["result"] == "fail" for test in tests))
