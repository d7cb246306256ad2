"""`python -m benchmarks [NAME…]`: all benchmarks, or those named (a module of this folder)."""

from __future__ import annotations

import importlib
import pkgutil
import sys

import benchmarks
from benchmarks.report import machine, show


def main(names: list[str]) -> int:
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
            show(title, module.measure())
        except Exception as error:  # one benchmark that cannot run here must not hide the others
            failed += 1
            print(f"{title}: not measured: {type(error).__name__}: {error}", file=sys.stderr)
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
