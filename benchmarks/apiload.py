"""The load of `benchmarks.api` as a Go program makes it, where SEALANE_APILOAD names the folder of its source.

It prints one line of JSON for each run: creates a second, delays, lists, gets and the deletion of all.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path
from typing import Any

VARIABLE = "SEALANE_APILOAD"


def built(folder: Path) -> Path | None:
    """The program, built in `folder`; None where there is no Go or no source."""
    source = os.environ.get(VARIABLE)
    go = shutil.which("go")
    if not source or go is None:
        return None
    copy = folder / "source"
    shutil.copytree(source, copy)
    for path in (copy, *copy.iterdir()):
        path.chmod(0o755)
    program = folder / "apiload"
    environment = {**os.environ, "GOFLAGS": "-mod=mod"}
    subprocess.run([go, "build", "-o", str(program), "."], cwd=copy, env=environment, check=True)
    return program


def load(program: Path, server: str, token: str, folder: Path, objects: int, creators: int, watchers: int) -> Any:
    """The figures of one run, by the names that the program gives them."""
    kubeconfig = folder / f"kubeconfig-{watchers}"
    kubeconfig.write_text(f"clusters:\n- cluster:\n    server: {server}\nusers:\n- user:\n    token: {token}\n")
    counts = ["-n", str(objects), "-workers", str(creators), "-watchers", str(watchers)]
    done = subprocess.run(
        [str(program), "-kubeconfig", str(kubeconfig), *counts], capture_output=True, text=True, timeout=300, check=True
    )
    return json.loads(done.stdout)
