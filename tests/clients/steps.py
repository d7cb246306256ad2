"""Commands that are typed as a person would, and what must appear: the steps of tables.

A step is a mapping with `run`, the command, and

    says      patterns (re, multiline), all of which its output must match; never: none of which it may
    code      its exit code, if not 0
    by        where it runs, unless in a shell of this machine: `outside` of the cluster, or typed into the `shell`
              that a step before it opened, which is left after the last step
    eventually  true: tried again until it says so
    until     it runs on. When it says this, `try` is run, `says` is about what that prints, and then it is stopped with
              Control-C. `{0}` and so on in `try` are the groups of `until`. With `type`, that is typed before.
              With none of these it is the shell of the steps that follow.
    type      what is typed once it runs
"""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Iterable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.clients.terminal import Terminal

from sealane.testing.cluster import Cluster, eventually

SECONDS = 60  # that a command may take on a busy machine
PROMPT = r"[#$] $"


@dataclass(frozen=True)
class Desk:
    """Where commands are typed: the variables of the shell, and its folder."""

    cluster: Cluster
    env: Mapping[str, str]
    folder: Path

    def play(self, steps: Iterable[Mapping[str, Any]]) -> None:
        with ExitStack() as ending:
            shell: Terminal | None = None
            for step in steps:
                if step.get("by") == "shell":
                    assert shell is not None
                    _type_into(shell, step)
                elif "until" in step or "type" in step:
                    terminal = ending.enter_context(self._open(step))
                    shell = self._with(terminal, step) or shell
                elif step.get("eventually"):
                    eventually(lambda step=step: self._once(step), seconds=SECONDS)  # type: ignore[misc]
                else:
                    self._once(step)
            if shell is not None:
                shell.type("exit\n")
                assert shell.wait(SECONDS) == 0, shell.screen

    def shell(self, command: str) -> str:
        """What a command prints that is not looked at while it runs."""
        done = subprocess.run(
            ["bash", "-c", command], env=self.env, cwd=self.folder, capture_output=True, text=True, timeout=SECONDS
        )
        return done.stdout + done.stderr

    def _open(self, step: Mapping[str, Any]) -> Terminal:
        argv = ["bash", "-c", step["run"]]
        if step.get("by") == "outside":
            argv = [sys.executable, "-m", "sealane", "run", "--name", self.cluster.name, "--", *argv]
        return Terminal(argv, self.env, self.folder)

    def _once(self, step: Mapping[str, Any]) -> bool:
        with self._open(step) as terminal:
            code = terminal.wait(SECONDS)
            _says(terminal.screen, step)
            assert code == step.get("code", 0), f"{step['run']} ended with {code}:\n{terminal.screen}"
        return True

    def _with(self, terminal: Terminal, step: Mapping[str, Any]) -> Terminal | None:
        """Waits, types, tries. The terminal, if what runs in it is the shell of the steps that follow."""
        if "until" not in step:
            terminal.type(step["type"])
            code = terminal.wait(SECONDS)
            _says(terminal.screen, step)
            assert code == step.get("code", 0), terminal.screen
            return None
        if "try" not in step and "type" not in step:
            terminal.type("\n")  # "If you don't see a command prompt, try pressing enter."
        seen = terminal.expect(step["until"], SECONDS)
        if "type" in step:
            terminal.type(step["type"])
            for pattern in step["says"]:
                terminal.expect(pattern, SECONDS)
        elif "try" in step:
            found = re.search(step["until"], seen, re.MULTILINE)
            assert found is not None
            _says(self.shell(step["try"].format(*found.groups())), step)
        else:
            return terminal
        terminal.type("\x03")
        terminal.wait(SECONDS)
        return None


def _type_into(shell: Terminal, step: Mapping[str, Any]) -> None:
    before = len(shell.screen)
    shell.type(f"{step['run']}\n")
    for pattern in step["says"]:
        shell.expect(pattern, SECONDS, after=before)
    shell.expect(PROMPT, SECONDS, after=before)


def _says(screen: str, step: Mapping[str, Any]) -> None:
    for pattern in step.get("says", ()):
        assert re.search(pattern, screen, re.MULTILINE), f"no {pattern!r} in what {step['run']} says:\n{screen}"
    for pattern in step.get("never", ()):
        assert not re.search(pattern, screen, re.MULTILINE), f"{pattern!r} in what {step['run']} says:\n{screen}"
