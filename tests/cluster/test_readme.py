"""The README's tour, typed in one shell: what is printed there is what the commands print.

Only times, ages, the letters in pod names and ClusterIPs differ, as the README says; `…` alone on a line stands for any
lines.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest
from tests.clients.terminal import Terminal

README = Path(__file__).parents[2] / "README.md"
COLUMNS = 118  # of the terminal that the README was printed in
MARK = "-- the next command --"


@dataclass
class Typed:
    """A command of the tour and the lines below it."""

    command: str
    lines: list[str] = field(default_factory=list)


def tour() -> list[Typed]:
    text = README.read_text().partition("## A tour of five minutes")[2].partition("\n## ")[0]
    found: list[Typed] = []
    for line in text.splitlines():
        if line.startswith("    $ "):
            found.append(Typed(line.removeprefix("    $ ")))
        elif line.startswith("    ") and found:
            found[-1].lines.append(line[4:])
        elif line.startswith("**"):
            found.append(Typed(""))  # what follows is prose until the next command
    return [each for each in found if each.command]


def pattern(lines: list[str]) -> str:
    """For the output with its white space squeezed: what varies is left open."""
    parts = []
    for line in lines:
        words = " ".join(line.split())
        if words == "…":
            parts.append(r"(?:.*\n)*?")
            continue
        escaped = re.escape(words)
        escaped = re.sub(r"-[0-9a-z]{9,10}-[0-9a-z]{5}\b", r"-[0-9a-z]+-[0-9a-z]{5}", escaped.replace(r"\-", "-"))
        escaped = re.sub(r"\b\d+s$", r"\\d+s", escaped)
        escaped = re.sub(r"after\\ \d+\\\.\d+\\ s", r"after\\ \\d+\\.\\d+\\ s", escaped)
        escaped = re.sub(r"127\\\.18\\\.\d+", r"127\\.18\\.\\d+", escaped)
        escaped = re.sub(r"\b10\\\.96\\\.\d+\\\.\d+", r"10\\.96\\.\\d+\\.\\d+", escaped)
        escaped = re.sub(r"─+", "─+", escaped)
        parts.append(escaped + r"\n")
    return "".join(parts)


@pytest.fixture(scope="module")
def said(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[str]]:
    """What each command of the tour printed."""
    home = tmp_path_factory.mktemp("home")
    bin_ = home / "bin"
    bin_.mkdir()
    (bin_ / "sealane").write_text(f'#!/bin/sh\nexec "{sys.executable}" -m sealane "$@"\n')
    (bin_ / "sealane").chmod(0o755)
    env = {
        **os.environ,
        "PATH": f"{bin_}:{Path(sys.executable).parent}:{os.environ['PATH']}",
        "SEALANE_HOME": str(home / "clusters"),
        "HOME": str(home),
        "TERM": "xterm",
        "NO_COLOR": "1",
    }
    script = "\n".join(f"{each.command}\necho '{MARK}'" for each in tour())
    try:
        with Terminal(["bash", "-c", script], env, README.parent, columns=COLUMNS) as terminal:
            terminal.wait(240)
        plain = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]|\r", "", terminal.screen)
        yield re.sub(r"^[⠀-⣿].*\n", "", plain, flags=re.MULTILINE).split(f"{MARK}\n")  # without what is in progress
    finally:
        subprocess.run([str(bin_ / "sealane"), "down", "--all"], env=env, capture_output=True)


@pytest.mark.parametrize(("number", "typed"), list(enumerate(tour())), ids=[each.command for each in tour()])
def test_the_tour(said: list[str], number: int, typed: Typed) -> None:
    printed = "".join(f"{' '.join(line.split())}\n" for line in said[number].splitlines() if line.strip())
    if os.geteuid() != 0 and "127.18." in "".join(typed.lines):  # as the README says; the columns are other ones then
        assert re.search(r"127\.18\.\d+\.1:8080 curl -H 'Host: shop.example.com'", printed), printed
        return
    wanted = pattern([line for line in typed.lines if line.strip()])
    assert re.match(wanted, printed), f"{typed.command} printed\n{said[number]}\nwhich is not\n" + "\n".join(
        typed.lines
    )
