"""The official Gateway API conformance suite against a cluster of its own: what passed and failed, by profile.

    run.py [--profiles GATEWAY-HTTP,…] [--out FOLDER] [--channel standard] [flags of the suite and of main_test.go …]

FOLDER gets suite.log, results.jsonl (a line a test) and report.yaml, the suite's ConformanceReport. Exit code 1 when a
test failed, 3 without Go.
"""

from __future__ import annotations

import argparse
import re
import shlex
import sys
from pathlib import Path

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE.parent))

import suite  # noqa: E402

PROFILES = ("GATEWAY-HTTP", "GATEWAY-GRPC", "GATEWAY-TLS", "GATEWAY-TCP", "GATEWAY-UDP")
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
    if not suite.has_go("conformance-gateway"):
        return 3
    crds = suite.folder_of("sigs.k8s.io/gateway-api", HERE)
    crds /= "config/crd/experimental" if options.channel == "experimental" else "config/crd"
    code, tests, lines = suite.run(
        HERE,
        options.out.resolve(),
        f"kubectl apply --server-side -k {shlex.quote(str(crds))} > /dev/null && {OTHERS}",
        (
            "-test.timeout=120m",
            "-gateway-class=sealane",
            f"-conformance-profiles={options.profiles}",
            "-usable-address=172.18.255.200",
            "-unusable-address=172.30.0.1",
            *flags,
        ),
    )
    why = reasons(lines)
    return suite.summarise(tests, "profiles", lambda test: f": {why.get(test['test'], '')}") or code


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
