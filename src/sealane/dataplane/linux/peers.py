"""The peer at the other end of one of our Unix sockets."""

from __future__ import annotations

import os
import socket
import struct
import sys
from collections.abc import Sequence
from ipaddress import ip_address
from pathlib import Path
from typing import Any


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


def is_our_users(protocol: str, peer: Sequence[Any]) -> bool:
    """Whether a socket of this machine is of the user who runs this process. peer: its IPv4 address and port.

    protocol: tcp or udp. Sockets that nobody has open any more are root's in the kernel's table, so they count for
    nobody. Source: proc(5), /proc/net/tcp.
    """
    address = f"{int.from_bytes(ip_address(peer[0]).packed, sys.byteorder):08X}:{peer[1]:04X}"
    unbound = f"{0:08X}:{peer[1]:04X}"  # of a UDP socket that did not choose
    with open(f"/proc/net/{protocol}") as table:
        found = [fields for line in table if (fields := line.split())[1] in (address, unbound)]
    return bool(found) and all(fields[7] == str(os.getuid()) and fields[9] != "0" for fields in found)


def _lives(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True
