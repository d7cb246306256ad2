"""The rights of a container's root: the capabilities that container runtimes leave by default.

Numbers from linux/capability.h; the default list is that of the OCI runtimes (Docker, containerd).
"""

from __future__ import annotations

import contextlib
import ctypes
from collections.abc import Collection, Iterable

NAMES = [
    "CHOWN",
    "DAC_OVERRIDE",
    "DAC_READ_SEARCH",
    "FOWNER",
    "FSETID",
    "KILL",
    "SETGID",
    "SETUID",
    "SETPCAP",
    "LINUX_IMMUTABLE",
    "NET_BIND_SERVICE",
    "NET_BROADCAST",
    "NET_ADMIN",
    "NET_RAW",
    "IPC_LOCK",
    "IPC_OWNER",
    "SYS_MODULE",
    "SYS_RAWIO",
    "SYS_CHROOT",
    "SYS_PTRACE",
    "SYS_PACCT",
    "SYS_ADMIN",
    "SYS_BOOT",
    "SYS_NICE",
    "SYS_RESOURCE",
    "SYS_TIME",
    "SYS_TTY_CONFIG",
    "MKNOD",
    "LEASE",
    "AUDIT_WRITE",
    "AUDIT_CONTROL",
    "SETFCAP",
    "MAC_OVERRIDE",
    "MAC_ADMIN",
    "SYSLOG",
    "WAKE_ALARM",
    "BLOCK_SUSPEND",
    "AUDIT_READ",
    "PERFMON",
    "BPF",
    "CHECKPOINT_RESTORE",
]
DEFAULT = [
    "CHOWN",
    "DAC_OVERRIDE",
    "FSETID",
    "FOWNER",
    "NET_RAW",
    "SETGID",
    "SETUID",
    "SETFCAP",
    "SETPCAP",
    "NET_BIND_SERVICE",
    "SYS_CHROOT",
    "KILL",
    "AUDIT_WRITE",
]

CONTAINED = (*DEFAULT, "NET_ADMIN", "NET_BROADCAST", "IPC_LOCK", "IPC_OWNER", "SYS_NICE")
"""Those whose power ends with the namespaces of a pod.

With others, root of a pod is root of what runs the cluster: it mounts what it was not shown, loads modules, opens files
by their handles, sets the clock, looks into processes that are about to enter its pod.
"""

_CAPBSET_DROP = 24
_libc = ctypes.CDLL(None, use_errno=True)


def contained(wanted: Collection[int]) -> tuple[list[int], list[str]]:
    """What of `wanted` a pod gets, and the names of the others."""
    kept = [number for number in wanted if NAMES[number] in CONTAINED]
    return kept, [NAMES[number] for number in wanted if number not in kept]


def numbers(add: Iterable[str] = (), drop: Iterable[str] = ()) -> list[int]:
    """The default set with securityContext.capabilities applied. Unknown names are left out; "ALL" is every one."""
    kept = set(DEFAULT)
    dropped, added = {_plain(name) for name in drop}, {_plain(name) for name in add}
    kept = (set() if "ALL" in dropped else kept - dropped) | (set(NAMES) if "ALL" in added else added)
    return [number for number, name in enumerate(NAMES) if name in kept]


def _plain(name: str) -> str:
    return name.upper().removeprefix("CAP_")


def keep_only(kept: Collection[int]) -> None:
    """Drops all others from the bounding set: the next program that this process becomes has at most `kept`."""
    for number in range(64):
        if number not in kept:
            with contextlib.suppress(OSError):  # a kernel knows fewer
                _libc.prctl(_CAPBSET_DROP, number, 0, 0, 0)
