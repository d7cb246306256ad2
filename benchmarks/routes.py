"""Routes: a new HTTPRoute among 1,000, from the API write to the first 200 through the real Envoy."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.report import Row

SCENARIOS = Path(__file__).parent.parent / "tests" / "cluster" / "envoy_scenarios.py"
"""The API, all controllers, the xDS server, a backend and the client share one process there; Envoy is another."""


def measure() -> Iterator[Row]:
    with tempfile.TemporaryDirectory(prefix="sealane-") as folder:
        done = subprocess.run(
            [sys.executable, str(SCENARIOS), "bench", folder],
            capture_output=True,
            text=True,
            errors="replace",
            timeout=180,
            check=False,
        )
    found = {
        name: float(value) for name, _, value in (line.partition(" ") for line in done.stdout.splitlines()) if value
    }
    if done.returncode or not {"p50", "p99", "write", "rate"} <= found.keys():
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    note = "new host, 1,000 routes there, 200 samples"
    yield Row("HTTPRoute from API write to first 200, p99", found["p99"], "ms", "≤ 8", note)
    yield Row("… p50", found["p50"], "ms", "", "of which the durable write, the next row")
    yield Row("… the API's answer to the write, p50", found["write"], "ms")
    yield Row("requests through Envoy, one connection", found["rate"], "/s", "", "Python client and backend")
