"""Routes: a new HTTPRoute among 100 to 10,000, from the API write to the first 200 through the real Envoy."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Row

SCENARIOS = Path(__file__).parent.parent / "tests" / "cluster" / "envoy_scenarios.py"
"""The API, all controllers, the xDS server, a backend and the client share one process there; Envoy is another."""

_GOALS = {100: "≤ 8", 1000: "≤ 8", 3000: "≤ 10", 10_000: "≤ 10"}


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="sealane-") as folder:
        done = subprocess.run(
            [sys.executable, str(SCENARIOS), "bench", folder],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=300,
            check=False,
        )
    lines = [words for words in map(str.split, done.stdout.splitlines()) if len(words) == 3]
    found = {(name, int(routes)): float(value) for name, routes, value in lines}
    if done.returncode or not found:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    for (name, routes), value in found.items():
        match name:
            case "p99":
                what = f"HTTPRoute among {routes:,}, from API write to first 200, p99"
                yield Row(what, value, "ms", _GOALS.get(routes, ""), "a new host, 200 samples")
                yield Row(
                    f"… p50, among {routes:,}",
                    found["p50", routes],
                    "ms",
                    "",
                    "of which the durable write, the next row",
                )
                yield Row(f"… the API's answer to the write, p50, among {routes:,}", found["write", routes], "ms")
            case "rate":
                yield Row("requests through Envoy, one connection", value, "/s", "", "Python client and backend")
