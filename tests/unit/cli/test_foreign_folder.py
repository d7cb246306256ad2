"""Python files in the user's folder are not imported, whatever their names."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from sealane.cluster.lifecycle import SUPERVISOR


@pytest.mark.parametrize("command", [(sys.executable, "-m", "sealane", "--help"), SUPERVISOR])
def test_a_folder_with_modules_named_as_those_of_python(command: tuple[str, ...], tmp_path: Path) -> None:
    for name in ("queue", "logging", "asyncio", "typer", "json", "socket"):
        (tmp_path / f"{name}.py").write_text("open('imported', 'a').write(__name__)\n")
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert not (tmp_path / "imported").exists(), (tmp_path / "imported").read_text()
    assert "sealane" in done.stdout + done.stderr
