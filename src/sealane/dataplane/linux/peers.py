"""Who is at the other end of a Unix socket of ours."""

from __future__ import annotations

import os
import socket
import struct
from pathlib import Path


def is_neighbour(connection: socket.socket) -> bool:
    """Whether the process that connected lives where we do, not in a PID namespace below ours, as all of a pod does.

    So no program of a pod commands its cluster, whatever path or descriptor leads it to the socket. Source: proc(5),
    NSpid of /proc/PID/status has a number for each namespace that the process is in.
    """
    pid: int = struct.unpack("3i", connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12))[0]
    try:
        status = Path(f"/proc/{pid}/status").read_text()
    except OSError:
        return pid != 0 and _lives(pid)  # hidden by the host (hidepid), which ours are not; 0 lives above or beside us
    pids = next((line.split()[1:] for line in status.splitlines() if line.startswith("NSpid:")), [str(pid)])
    return len(pids) == 1


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
