"""Tests that become an ordinary user."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

NOBODY = 65534


@cache
def cannot_become_nobody() -> str:
    """Why a test cannot run Sealane as nobody; empty when it can."""
    if os.getuid() != 0:
        return "becomes another user, which only root can"
    try:
        subprocess.run([sys.executable, "-c", ""], user=NOBODY, group=NOBODY, extra_groups=[], check=True)
    except (PermissionError, subprocess.CalledProcessError):
        return (
            f"nobody may not run {os.path.realpath(sys.executable)}; make setup PYTHON=/usr/bin/python3 takes another"
        )
    reads = [sys.executable, "-c", "import sys, sealane; open(sys.argv[1])", __file__]
    if subprocess.run(reads, user=NOBODY, group=NOBODY, extra_groups=[], capture_output=True).returncode:
        return f"nobody may not read {Path(__file__).parents[2]}"
    return ""


AS_NOBODY = ("setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups")
"""Before a command of root's."""


as_nobody = pytest.mark.skipif(bool(cannot_become_nobody()), reason=cannot_become_nobody())
