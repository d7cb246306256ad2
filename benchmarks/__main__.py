"""`python -m benchmarks [--runs N] [NAME…]`: all benchmarks, or those named (a module of this folder).

Each is run N times (3): what is shown is the median, and the lowest and highest. Where a peer is on the PATH (CoreDNS)
each run measures both, one after the other.
"""

from __future__ import annotations

import argparse
import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.report import machine, show, together


def main(names: list[str], runs: int) -> int:
    known = sorted(
        module.name
        for module in pkgutil.iter_modules(benchmarks.__path__)
        if module.name not in ("__main__", "report", "apiload")
    )
    wrong = [name for name in names if name not in known]
    if wrong:
        print(f"no benchmark {', '.join(wrong)}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    print(machine(), flush=True)
    failed = 0
    for name in names or known:
        module = importlib.import_module(f"benchmarks.{name}")
        title = (module.__doc__ or name).partition("\n")[0].rstrip(".")
        try:
            show(title, together([list(module.measure()) for _ in range(runs)]))
        except Exception as error:  # one benchmark that cannot run here must not hide the others
            failed += 1
            print(f"{title}: not measured: {type(error).__name__}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m benchmarks")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--runs", type=int, default=3)
    arguments = parser.parse_args()
    raise SystemExit(main(arguments.names, max(1, arguments.runs)))
