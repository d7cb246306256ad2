"""The few system calls Python 3.11 does not have: setns, unshare, mount, umount2, pivot_root, prctl.

Each raises OSError with the path or flag it was about. The GIL is released while they run.
"""

from __future__ import annotations

import ctypes
import os

CLONE_NEWNS = 0x00020000
CLONE_NEWUTS = 0x04000000
CLONE_NEWIPC = 0x08000000
CLONE_NEWUSER = 0x10000000
CLONE_NEWPID = 0x20000000
CLONE_NEWNET = 0x40000000

MS_RDONLY = 1
MS_NOSUID = 2
MS_NODEV = 4
MS_NOEXEC = 8
MS_REMOUNT = 32
MS_BIND = 4096
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, os.strerror(error), what)


def setns(fd: int, kind: int, what: str = "setns") -> None:
    _check(_libc.setns(fd, kind), what)


def enter(path: str, kind: int = CLONE_NEWNET) -> None:
    """Moves the calling thread into the namespace at `path` (setns(2)). Raises OSError."""
    fd = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        setns(fd, kind, path)
    finally:
        os.close(fd)


def unshare(flags: int) -> None:
    """New namespaces for the calling thread (unshare(2)); CLONE_NEWUSER needs a process of one thread."""
    _check(_libc.unshare(flags), "unshare")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    _check(
        _libc.mount(
            source.encode(),
            target.encode(),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            data.encode() if data else None,
        ),
        target,
    )


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _check(_libc.umount2(target.encode(), flags), target)


def pivot_root(new: str, old: str) -> None:
    machine = os.uname().machine
    if machine not in _SYS_PIVOT_ROOT:
        raise OSError(f"pivot_root: not known for {machine}")
    _check(_libc.syscall(_SYS_PIVOT_ROOT[machine], new.encode(), old.encode()), new)


def die_with_parent(signal: int) -> None:
    """The calling process gets `signal` when the thread that forked it ends (prctl PR_SET_PDEATHSIG)."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")
