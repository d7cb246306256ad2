"""Where the command line writes to: terminals of other encodings, closed, full and broken outputs. Real processes."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from sealane.cli.say import guarded


def shell(line: str, tmp_path: Path, **env: str) -> subprocess.CompletedProcess[bytes]:
    script = line.replace("SEALANE", f'"{sys.executable}" -m sealane')
    environment = {**os.environ, "PYTHONUNBUFFERED": "", "SEALANE_HOME": str(tmp_path / "home"), **env}
    return subprocess.run(["bash", "-o", "pipefail", "-c", script], env=environment, capture_output=True, timeout=60)


WAYS = ["--version", "status -o json", "-h"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("closed", [">&-", "<&-", "<&- >&-", "<&- >&- 2>&-"])
def test_a_stream_that_is_closed_is_no_traceback(tmp_path: Path, way: str, closed: str) -> None:
    done = shell(f"SEALANE {way} {closed}", tmp_path)
    assert b"Traceback" not in done.stderr
    assert b"Exception" not in done.stderr
    assert done.returncode in (0, 4)


@pytest.mark.parametrize("way", WAYS)
def test_a_full_disk_is_said_in_one_line(tmp_path: Path, way: str) -> None:
    done = shell(f"SEALANE {way} > /dev/full", tmp_path)
    assert (done.returncode, done.stderr) == (1, b"sealane: the answer cannot be written: No space left on device\n")


def test_a_reader_that_leaves_is_no_error(tmp_path: Path) -> None:
    done = shell("{ sleep 0.3; SEALANE status -o json; } | { exec <&-; sleep 3; }", tmp_path)
    assert (done.returncode, done.stderr) == (0, b"")


def test_a_broken_pipe_that_is_not_of_the_answer_is_no_success() -> None:
    def broken() -> int:
        raise BrokenPipeError

    with pytest.raises(BrokenPipeError):
        guarded(broken)


@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_a_terminal_that_lacks_a_character_shows_another(tmp_path: Path, encoding: str) -> None:
    manifest = tmp_path / "\N{RIGHTWARDS ARROW}.yaml"
    manifest.write_text("a: [\n")
    done = shell(f"SEALANE reach {manifest}", tmp_path, PYTHONIOENCODING=encoding, PYTHONUTF8="1")
    assert b"Traceback" not in done.stderr
    assert done.returncode == 2
