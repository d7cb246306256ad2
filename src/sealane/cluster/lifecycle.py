"""Starting and stopping a cluster, seen from the command that asks for it."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict

from sealane.cluster.state import Folder, Options, Process, StateError, start_time

SUPERVISOR = (sys.executable, "-P", "-m", "sealane.cluster")
"""The supervisor's program. -P: no file in the user's folder takes the place of a module."""


class StartError(Exception):
    """The cluster cannot start here; the message says what to install or enable."""


def start(folder: Folder, options: Options) -> bool:
    """Starts the supervisor of `folder`, unless it runs; True when it was started by this call.

    Returns at once, while the cluster comes up: `wait` for it. Call it with the folder's lock held. Objects that an
    earlier run acknowledged are kept. Raises StartError or StateError.
    """
    folder.make()
    life = _claim(folder)
    if life is None:
        return False
    try:
        clear(folder)
        folder.supervisor_socket.unlink(missing_ok=True)
        folder.failure.unlink(missing_ok=True)
        log = os.open(folder.logs / "supervisor.log", os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
        try:
            subprocess.Popen(
                [*SUPERVISOR, str(folder.path), json.dumps(asdict(options)), str(life)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                pass_fds=(life,),
                start_new_session=True,
            )
        finally:
            os.close(log)
    finally:
        os.close(life)
    return True


def _claim(folder: Folder, seconds: float = 10.0) -> int | None:
    """The lock that says that nothing of the cluster runs; waits for what is ending. None when it runs.

    Raises StateError when what holds it neither answers nor ends.
    """
    deadline = time.monotonic() + seconds
    while (life := folder.claim()) is None:
        record = folder.read()
        stopping = record is not None and record.phase == "stopping"
        if not stopping and listening(folder) is not None:
            return None
        if time.monotonic() > deadline:
            raise StateError(
                f"processes of cluster {folder.name!r} neither answer nor end: see fuser {folder.path}/alive"
            )
        time.sleep(0.005)
    return life


def _stuck(folder: Folder) -> StateError:
    return StateError(f"processes of cluster {folder.name!r} neither answer nor end; see: fuser {folder.path}/alive")


def _end(folder: Folder, supervisor: Process) -> None:
    """Asks the supervisor to stop, by its socket or, where that is gone, by a signal; kills it when it hangs."""
    with contextlib.suppress(ProcessLookupError):
        os.kill(supervisor.pid, signal.SIGCONT)  # a suspended process does not answer
    if listening(folder) is not None:
        with contextlib.suppress(StartError):
            _ask(folder, "down", 8.0)
    else:
        with contextlib.suppress(ProcessLookupError):
            os.kill(supervisor.pid, signal.SIGTERM)
    with contextlib.suppress(StateError):
        _await_end([supervisor], 1.0)
    _kill([supervisor])  # its children die with it


def listening(folder: Folder) -> Process | None:
    """The supervisor that answers at the folder's socket, whatever cluster.json says."""
    with socket.socket(socket.AF_UNIX) as sock:
        try:
            sock.connect(bytes(folder.supervisor_socket))
        except OSError:
            return None
        credentials = sock.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, struct.calcsize("3i"))
    pid = struct.unpack("3i", credentials)[0]
    return Process("supervisor", pid, start_time(pid)) if pid else None


def wait(folder: Folder, seconds: float = 30.0) -> None:
    """Returns when every process of the cluster is ready. Raises StartError with the reason when that fails."""
    answer = _ask(folder, "wait", seconds)
    if not answer.get("ok"):
        raise StartError(str(answer.get("error") or f"the supervisor ended; see {folder.logs}"))


def own(folder: Folder) -> socket.socket:
    """Makes a running cluster ours: it ends when the socket is closed, however that comes about. Raises StartError."""
    sock = socket.socket(socket.AF_UNIX)
    try:
        sock.connect(bytes(folder.supervisor_socket))
        sock.sendall(json.dumps({"op": "own"}).encode() + b"\n")
    except OSError as error:
        sock.close()
        raise StartError(f"the supervisor ended ({error}); see {folder.logs / 'supervisor.log'}") from None
    return sock


def stop(folder: Folder, *, keep: bool = False) -> bool:
    """Stops the cluster and removes its folder; with `keep`, its objects stay for the next `start`.

    Works as well when some or all of its processes were killed. False when there was nothing to stop or remove.
    """
    if not folder.path.exists():
        return False
    deadline = time.monotonic() + 10.0
    while (life := folder.claim()) is None:
        record = folder.read()
        supervisor = listening(folder) or (record.supervisor if record else None)
        if supervisor is not None and supervisor.alive:
            _end(folder, supervisor)
            deadline = time.monotonic() + 10.0
        elif time.monotonic() > deadline:
            raise _stuck(folder)
        else:
            time.sleep(0.005)  # the supervisor has not come far enough to answer, or its last child is ending
    os.close(life)
    clear(folder)
    if not keep:
        folder.remove()
    return True


def clear(folder: Folder) -> None:
    """Ends the processes that a crashed supervisor may have left. Processes are told apart by pid *and* start time."""
    record = folder.read()
    if record is None:
        return
    _kill(record.processes)


def _kill(processes: Sequence[Process]) -> None:
    left = [process for process in processes if process.alive]
    for process in left:
        with contextlib.suppress(ProcessLookupError):
            os.kill(process.pid, signal.SIGKILL)
    _await_end(left, 5.0)


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
                if (life := folder.claim()) is not None:
                    os.close(life)
                    with contextlib.suppress(FileNotFoundError):
                        raise StartError(folder.failure.read_text().strip()) from None
                    raise StartError(f"the supervisor ended; see {folder.logs / 'supervisor.log'}") from None
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
