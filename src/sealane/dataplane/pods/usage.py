"""The processor time and memory that programs of containers use, from the kernel's own figures.

The processes of a container are those of its PID namespace. Processor time is theirs and that of children they have
waited for, memory their proportional share (PSS; the resident set where that cannot be read). A stand-in has no process
of its own: it uses nothing that could be told from others.
Source: proc(5); the meaning of the figures is that of https://github.com/kubernetes/metrics (v1beta1).
"""

from __future__ import annotations

import os
from collections.abc import Mapping

import msgspec

_TICKS = os.sysconf("SC_CLK_TCK")
_PAGE = os.sysconf("SC_PAGE_SIZE")


class Used(msgspec.Struct, frozen=True):
    """cpu: seconds of processor time so far. memory: bytes now."""

    cpu: float = 0.0
    memory: int = 0

    def __add__(self, other: Used) -> Used:
        return Used(self.cpu + other.cpu, self.memory + other.memory)


def used(pids: Mapping[str, int]) -> dict[str, Used]:
    """The usage of the containers whose first processes these are. A process counts for the first container of its
    namespace.
    """
    owners: dict[int, str] = {}
    for container, pid in pids.items():
        namespace = _namespace(pid)
        if namespace:
            owners.setdefault(namespace, container)
    found = dict.fromkeys(pids, Used())
    for entry in os.listdir("/proc") if owners else ():
        if entry.isdigit() and (container := owners.get(_namespace(int(entry)), "")):
            found[container] += process(int(entry))
    return found


def process(pid: int) -> Used:
    """Of one process; nothing when it has ended."""
    try:
        with open(f"/proc/{pid}/stat", "rb") as file:
            fields = file.read().rpartition(b")")[2].split()
        return Used(sum(int(field) for field in fields[11:15]) / _TICKS, _memory(pid))
    except OSError:
        return Used()


def _namespace(pid: int) -> int:
    try:
        return os.stat(f"/proc/{pid}/ns/pid").st_ino
    except OSError:
        return 0


def _memory(pid: int) -> int:
    try:
        with open(f"/proc/{pid}/smaps_rollup", "rb") as file:
            for line in file:
                if line.startswith(b"Pss:"):
                    return int(line.split()[1]) * 1024
    except OSError:
        pass
    with open(f"/proc/{pid}/statm", "rb") as file:
        return int(file.read().split()[1]) * _PAGE
