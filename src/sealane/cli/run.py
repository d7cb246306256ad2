"""`sealane run`: a cluster around one command."""

from __future__ import annotations

import contextlib
import os
import sys

from sealane.cli.connect import require, running
from sealane.cli.say import BAD_INPUT, NOT, OK, Exit, guarded, progress, terminable
from sealane.cli.up import UpOptions, bring_up
from sealane.cluster import lifecycle, state
from sealane.cluster.state import Folder


def run(arguments: list[str], options: UpOptions, name: str) -> int:
    return guarded(lambda: _run(arguments, options, name))


def split(arguments: list[str], command_line: list[str]) -> tuple[list[str], list[str]]:
    """Paths and command. `arguments` lost its "--" to the option parser, so its place is read from the command line."""
    if "--" not in command_line:
        raise Exit(BAD_INPUT, "run: no command; give it after --, as in: sealane run examples/shop -- pytest")
    command = command_line[command_line.index("--") + 1 :]
    if not command:
        raise Exit(BAD_INPUT, "run: nothing follows --")
    return arguments[: len(arguments) - len(command)], command


def _run(arguments: list[str], options: UpOptions, name: str) -> int:
    paths, command = split(arguments, sys.argv)
    if name and not paths and options == options.unsaid(options.timeout) and (there := _running(name)) is not None:
        return outside(there, command)
    chosen = name or f"run-{os.getpid()}"
    with terminable(), contextlib.ExitStack() as until_stopped:
        try:
            with progress(True) as say:
                folder, code = bring_up(paths, options, chosen, say)
            if code != OK:
                return code
            if not name:
                until_stopped.enter_context(lifecycle.own(folder))  # it ends with us, also when we are killed
            return outside(folder, command)
        finally:
            if not name:
                mine = state.folder(chosen)
                if mine.path.exists():
                    with mine.lock():
                        lifecycle.stop(mine)


def _running(name: str) -> Folder | None:
    """The folder of a cluster that is up: nothing has to be waited for."""
    folder = state.folder(name)
    record = folder.read()
    return folder if record is not None and record.running and record.phase == "running" else None


def run_outside(name: str, command: list[str]) -> int:
    """`sealane outside NAME -- CMD`: in a cluster that runs."""
    return guarded(lambda: _outside(name, command))


def _outside(name: str, command: list[str]) -> int:
    command = command[1:] if command[:1] == ["--"] else command
    if not command:
        raise Exit(BAD_INPUT, "outside: no command; give it after --, as in: sealane outside NAME -- curl -k $URL")
    folder, _ = running(name)
    return outside(folder, command)


def outside(folder: Folder, command: list[str]) -> int:
    """Runs `command` in the namespace `outside`, with this terminal, KUBECONFIG and this working directory."""
    from sealane.dataplane.pods.exec import AgentError, run_outside

    require(folder, "nodes")
    env = {**os.environ, "KUBECONFIG": str(folder.outside_kubeconfig)}
    try:
        return run_outside(folder.agent_socket, command, env=env, terminal=all(os.isatty(fd) for fd in (0, 1, 2)))
    except AgentError as error:
        raise Exit(NOT, f"run: {error}") from None
