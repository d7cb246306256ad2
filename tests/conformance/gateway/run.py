"""The official Gateway API conformance suite against a cluster of its own: what passed and failed, by profile.

    run.py [--profiles GATEWAY-HTTP,…] [--out FOLDER] [--channel standard] [flags of the suite and of main_test.go …]

FOLDER gets suite.log, results.jsonl (a line a test) and report.yaml, the suite's ConformanceReport. Exit code 1 when a
test failed, 3 without Go.
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
PROFILES = ("GATEWAY-HTTP", "GATEWAY-GRPC", "GATEWAY-TLS", "GATEWAY-TCP", "GATEWAY-UDP")
NODES = 3
OTHERS = (
    "kubectl get crd -o custom-columns='NAME:.metadata.name,"
    "VERSION:.metadata.annotations.gateway\\.networking\\.k8s\\.io/bundle-version' --no-headers "
    "| awk -v wanted=$(kubectl get crd gateways.gateway.networking.k8s.io "
    "-o jsonpath='{.metadata.annotations.gateway\\.networking\\.k8s\\.io/bundle-version}') "
    "'$2 != \"<none>\" && $2 != wanted {print $1}' | xargs -r kubectl delete crd > /dev/null"
)
"""The suite asks for one version of all kinds: those of another bundle, with which a cluster begins, are deleted."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--profiles", default=",".join(PROFILES))
    parser.add_argument("--channel", choices=("standard", "experimental"), default="experimental")
    parser.add_argument("--out", type=Path, default=HERE / "build")
    options, flags = parser.parse_known_args()
    if shutil.which("go") is None:
        print("conformance-gateway needs Go on the PATH", file=sys.stderr)
        return 3
    out: Path = options.out.resolve()
    out.mkdir(parents=True, exist_ok=True)
    binary = out / "conformance.test"
    subprocess.run(("go", "test", "-c", "-o", binary, "."), cwd=HERE, check=True)
    module = ("go", "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/gateway-api")
    crds = Path(subprocess.run(module, cwd=HERE, check=True, stdout=subprocess.PIPE, text=True).stdout.strip())
    crds /= "config/crd/experimental" if options.channel == "experimental" else "config/crd"
    results, log = out / "results.jsonl", out / "suite.log"
    results.unlink(missing_ok=True)
    command = shlex.join(
        (
            str(binary),
            "-test.v",
            "-test.timeout=120m",
            "-test.run=TestConformance$",
            "-gateway-class=sealane",
            f"-conformance-profiles={options.profiles}",
            f"-results={results}",
            f"-report-output={out / 'report.yaml'}",
            "-organization=sealane",
            "-project=sealane",
            "-url=https://sealane.dev",
            "-contact=-",
            f"-version={version('sealane')}",
            "-usable-address=172.18.255.200",
            "-unusable-address=172.30.0.1",
            *flags,
        )
    )
    inside = (
        f"kubectl apply --server-side -k {shlex.quote(str(crds))} > /dev/null && {OTHERS} && "
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
            print(f"failed  {test['test']} ({', '.join(test['features'])}): {why.get(test['test'], '')}")
    for profile in sorted({name for test in tests for name in test["profiles"]}):
        found = collections.Counter(test["result"] for test in tests if profile in test["profiles"])
        print(f"{profile:14} {found['pass']} passed, {found['fail']} failed, {found['skip']} skipped")
    found = collections.Counter(test["result"] for test in tests)
    print(f"{'all':14} {found['pass']} passed, {found['fail']} failed, {found['skip']} skipped")
    return 1 if found["fail"] else 0


def reasons(lines: list[str]) -> dict[str, str]:
    """The first thing that each failed test says of its failure."""
    found: dict[str, str] = {}
    test = ""
    for number, line in enumerate(lines):
        if start := re.match(r"\s*=== (?:RUN|CONT|NAME|PAUSE)\s+TestConformance/([^/\s]+)", line):
            test = start[1]
        elif test and test not in found and "Messages:" in line:
            found[test] = line.partition("Messages:")[2].strip()
        elif test and test not in found and "Error:" in line:
            after = lines[number + 1].strip() if number + 1 < len(lines) else ""
            if not any("Messages:" in near for near in lines[number : number + 8]):
                found[test] = f"{line.partition('Error:')[2].strip()} {after}"
    return found


if __name__ == "__main__":
    sys.exit(main())
