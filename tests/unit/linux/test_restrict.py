"""Mounts that are restricted with all below them, also where mount_setattr(2) is missing."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import os, sys
from sealane.dataplane.linux import libc
if sys.argv[2] == "missing":
    libc._SYS_MOUNT_SETATTR = 100000
top, below = sys.argv[1], os.path.join(sys.argv[1], "below")
libc.mount("top", top, "tmpfs", 0)
os.mkdir(below)
libc.mount("below", below, "tmpfs", libc.MS_NOEXEC)
libc.restrict(top, libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV)
for path in (top, below):
    try:
        open(os.path.join(path, "file"), "w")
    except OSError as error:
        print(error.strerror)
for found in libc.mounts():
    if found.point in (top, below):
        print(*sorted({"ro", "nosuid", "nodev", "noexec"} & set(found.options)))
"""


@pytest.mark.parametrize("call", ["there", "missing"])
def test_a_mount_and_those_below_are_restricted(call: str, tmp_path: Path) -> None:
    unshare = shutil.which("unshare")
    if unshare is None or subprocess.run([unshare, "-Urm", "true"], check=False).returncode != 0:
        pytest.skip("no user namespace can be made here")
    argv = [unshare, "-Urm", sys.executable, "-c", SCRIPT, str(tmp_path), call]
    found = subprocess.run(argv, capture_output=True, text=True, check=True)
    refused = "Read-only file system"
    assert found.stdout.splitlines() == [refused, refused, "nodev nosuid ro", "nodev noexec nosuid ro"]
