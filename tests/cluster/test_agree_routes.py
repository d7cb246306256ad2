"""A few random sets of routes of `make agree-routes`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

AGREE = Path(__file__).with_name("agree_routes.py")


def test_envoy_agrees_with_the_model(tmp_path: Path) -> None:
    argv = [sys.executable, str(AGREE), "32", "--seed", "1000"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=300, cwd=tmp_path)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "32 sets, 1600 requests, 0 disagreements" in done.stdout
