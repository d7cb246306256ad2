"""The official suite of the network policy API against a cluster of its own: what passed and failed, by feature.

    run.py [--out FOLDER] [--channel standard] [flags of the suite and of main_test.go …]

FOLDER (not below /tmp: pods have one of their own) gets suite.log, results.jsonl (a line a test) and report.yaml, the
suite's ConformanceReport. Exit code 1 when a test failed, 3 without Go. Where the kernel has no SCTP sockets its
packets are written by the suite's program (sctp_test.go): the rules that they meet are the kernel's all the same.
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

OTHERS = "kubectl delete crd {0}.policy.networking.k8s.io baseline{0}.policy.networking.k8s.io > /dev/null".format(
    "adminnetworkpolicies"
)
"""The suite asks for one version of all kinds: those of an earlier bundle, with which a cluster begins, are deleted."""


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--channel", choices=("standard", "experimental"), default="experimental")
    parser.add_argument("--out", type=Path, default=HERE / "build")
    options, flags = parser.parse_known_args()
    if not suite.has_go("conformance-policy"):
        return 3
    crds = suite.folder_of("sigs.k8s.io/network-policy-api", HERE)
    crds /= f"config/crd/{options.channel}/policy.networking.k8s.io_clusternetworkpolicies.yaml"
    code, tests, lines = suite.run(
        HERE,
        options.out.resolve(),
        f"kubectl apply --server-side --force-conflicts -f {shlex.quote(str(crds))} > /dev/null && {OTHERS}",
        (
            "-test.timeout=60m",
            "-conformance-profiles=ClusterNetworkPolicy",
            *(("-all-features",) if options.channel == "experimental" else ()),
            "-additional-info=make conformance-policy",
            *flags,
        ),
    )
    why = reasons(lines)

    def told(test: suite.Test) -> str:
        return "".join(f"\n        {said}" for said in why.get(test["test"], ()))

    return suite.summarise(tests, "features", told) or code


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
