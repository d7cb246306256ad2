"""Starting and stopping a cluster, seen from the command that asks for it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time

from sealane.cluster.state import Folder, Options, Process, StateError, start_time


class StartError(Exception):
    """The cluster cannot start here; the message says what to install or enable."""


def start(folder: Folder, options: Options) -> bool:
    """Starts the supervisor of `folder`, unless it runs; True when it was started by this call.

    Returns at once, while the cluster comes up: `wait` for it. Call it with the folder's lock held. Objects that an
    earlier run acknowledged are kept. Raises StartError or StateError.
    """
    record = folder.read()
    if record is not None and record.running:
        if record.phase == "stopping":
            raise StateError(f"cluster {folder.name!r} is stopping; try again in a moment")
        return False
    clear(folder)
    folder.make()
    folder.supervisor_socket.unlink(missing_ok=True)
    folder.failure.unlink(missing_ok=True)
    log = os.open(folder.logs / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
    try:
        subprocess.Popen(
            [sys.executable, "-m", "sealane.cluster", str(folder.path), json.dumps(_options(options))],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
    finally:
        os.close(log)
    return True


def wait(folder: Folder, seconds: float = 30.0) -> None:
    """Returns when every process of the cluster is ready. Raises StartError with the reason when that fails."""
    answer = _ask(folder, "wait", seconds)
    if not answer.get("ok"):
        raise StartError(str(answer.get("error") or f"the supervisor ended; see {folder.logs}"))


def stop(folder: Folder, *, keep: bool = False) -> bool:
    """Stops the cluster and removes its folder; with `keep`, its objects stay for the next `start`.

    Works as well when some or all of its processes were killed. False when there was nothing to stop or remove.
    """
    if not folder.path.exists():
        return False
    record = folder.read()
    supervisor = record.supervisor if record else None
    if supervisor is not None and supervisor.alive:
        with contextlib.suppress(StartError):
            _ask(folder, "down", 15.0)
        _await_end([supervisor], 2.0)
    clear(folder)
    if not keep:
        folder.remove()
    return True


def clear(folder: Folder) -> None:
    """Ends whatever a crashed supervisor may have left. Processes are told apart by pid *and* start time."""
    record = folder.read()
    if record is None:
        return
    left = [process for process in record.processes if process.alive]
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    _await_end(left, 5.0)


def _options(options: Options) -> dict[str, object]:
    return {"nodes": options.nodes, "dns_upstream": options.dns_upstream}


def _await_end(processes: list[Process], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while any(start_time(process.pid) == process.started for process in processes):
        if time.monotonic() > deadline:
            pids = ", ".join(str(process.pid) for process in processes)
            raise StateError(f"processes {pids} do not end")
        time.sleep(0.005)


def _ask(folder: Folder, op: str, seconds: float) -> dict[str, object]:
    """One question to the supervisor. An empty answer means that it ended without one."""
    deadline = time.monotonic() + seconds
    sock = socket.socket(socket.AF_UNIX)
    with sock:
        while True:
            try:
                sock.connect(bytes(folder.supervisor_socket))
                break
            except (FileNotFoundError, ConnectionRefusedError):
                with contextlib.suppress(FileNotFoundError):
                    raise StartError(folder.failure.read_text().strip()) from None
                if time.monotonic() > deadline:
                    raise StartError(f"the supervisor does not answer; see {folder.logs / 'supervisor.log'}") from None
                time.sleep(0.003)
        sock.settimeout(max(0.1, deadline - time.monotonic()))
        try:
            sock.sendall(json.dumps({"op": op}).encode() + b"\n")
            answer = sock.makefile().readline()
        except TimeoutError:
            raise StartError(f"the cluster is not ready after {seconds:.0f} s; see {folder.logs}") from None
        except OSError:
            answer = ""
    if not answer:
        with contextlib.suppress(FileNotFoundError):
            raise StartError(folder.failure.read_text().strip())
    return json.loads(answer) if answer else {}
