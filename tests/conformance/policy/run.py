"""The official suite of the network policy API against a cluster of its own: what passed and failed, by feature.

    run.py [--out FOLDER] [--channel standard] [flags of the suite and of main_test.go …]

FOLDER gets suite.log, results.jsonl (a line a test) and report.yaml, the suite's ConformanceReport. Exit code 1 when a
test failed, 3 without Go. Where the kernel has no SCTP sockets its packets are written by the suite's program
(sctp_test.go): the rules that they meet are the kernel's all the same.
"""

from __future__ import annotations

import argparse
import collections
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

HERE = Path(__file__).parent
MODULE = "sigs.k8s.io/network-policy-api"
NODES = 3
OTHERS = "kubectl delete crd {0}.policy.networking.k8s.io baseline{0}.policy.networking.k8s.io > /dev/null".format(
    "adminnetworkpolicies"
)
"""The suite asks for one version of all kinds: those of an earlier bundle, with which a cluster begins, are deleted."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channel", choices=("standard", "experimental"), default="experimental")
    parser.add_argument("--out", type=Path, default=HERE / "build")
    options, flags = parser.parse_known_args()
    if shutil.which("go") is None:
        print("conformance-policy needs Go on the PATH", file=sys.stderr)
        return 3
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    binary = out / "conformance.test"
    subprocess.run(("go", "test", "-c", "-o", binary, "."), cwd=HERE, check=True)
    module = ("go", "list", "-m", "-f", "{{.Dir}}", MODULE)
    crds = Path(subprocess.run(module, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    crds /= f"config/crd/{options.channel}/policy.networking.k8s.io_clusternetworkpolicies.yaml"
    results, log = out / "results.jsonl", out / "suite.log"
    results.unlink(missing_ok=True)
    features = ("-all-features",) if options.channel == "experimental" else ()
    command = shlex.join(
        (
            str(binary),
            "-test.v",
            "-test.timeout=60m",
            "-test.run=TestConformance$",
            "-conformance-profiles=ClusterNetworkPolicy",
            *features,
            f"-results={results}",
            f"-report-output={out / 'report.yaml'}",
            "-organization=sealane",
            "-project=sealane",
            "-url=https://sealane.dev",
            "-contact=-",
            "-additional-info=make conformance-policy",
            f"-version={version('sealane')}",
            *flags,
        )
    )
    inside = (
        f"kubectl apply --server-side --force-conflicts -f {shlex.quote(str(crds))} > /dev/null && {OTHERS} && "
        "kubectl wait --for=condition=Established crd --all --timeout=30s > /dev/null && "
        f"exec {command}"
    )
    sealane = (sys.executable, "-m", "sealane", "run", "--nodes", str(NODES), "--", "sh", "-c", inside)
    with log.open("wb") as file:
        code = subprocess.run(sealane, stdout=file, stderr=subprocess.STDOUT, env=os.environ).returncode
    if not results.exists() or not results.read_text():
        print("".join(log.read_text(errors="replace").splitlines(keepends=True)[-20:]), file=sys.stderr)
        return code or 1
    return summarise(results, log) or code


def summarise(results: Path, log: Path) -> int:
    tests = [json.loads(line) for line in results.read_text().splitlines()]
    why = reasons(log.read_text(errors="replace").splitlines())
    for test in sorted(tests, key=lambda test: str(test["test"])):
        if test["result"] == "fail":
            print(f"failed  {test['test']} ({', '.join(test['features'])})")
            print("".join(f"        {said}\n" for said in why.get(test["test"], ())), end="")
    for feature in sorted({name for test in tests for name in test["features"]}):
        found = collections.Counter(test["result"] for test in tests if feature in test["features"])
        print(f"{feature:36} {found['pass']} passed, {found['fail']} failed, {found['skip']} skipped")
    found = collections.Counter(test["result"] for test in tests)
    print(f"{'all':36} {found['pass']} passed, {found['fail']} failed, {found['skip']} skipped")
    return 1 if found["fail"] else 0


def reasons(lines: list[str]) -> dict[str, list[str]]:
    """What each failed test says of its failures."""
    found: dict[str, list[str]] = {}
    test = ""
    for line in lines:
        if start := re.match(r"\s*=== (?:RUN|CONT|NAME|PAUSE)\s+TestConformance/([^/\s]+)", line):
            test = start[1]
        elif test and ("Expected connection" in line or "miserably" in line):
            said = line.strip().partition(": ")[2]
            if said not in found.setdefault(test, []):
                found[test].append(said)
    return found


if __name__ == "__main__":
    sys.exit(main())
