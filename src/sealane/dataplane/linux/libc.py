"""The few system calls Python 3.11 does not have: setns, unshare, mount, umount2, pivot_root, prctl, disconnecting.

Each raises OSError with the path or flag it was about. The GIL is released while they run.
"""

from __future__ import annotations

import ctypes
import errno
import os
import re
import socket

import msgspec

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
MS_MOVE = 8192
MS_REC = 16384
MS_PRIVATE = 1 << 18
MNT_DETACH = 2

_PR_SET_PDEATHSIG = 1
_CLONE_PARENT = 0x00008000
_SIGCHLD = 17
_SYS_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_SYS_CLONE = {"x86_64": 56, "aarch64": 220}
_SYS_MOUNT_SETATTR = 442
_AT_FDCWD, _AT_RECURSIVE = -100, 0x8000
_PR_SET_DUMPABLE, _PR_SET_NO_NEW_PRIVS = 4, 38

_libc = ctypes.CDLL(None, use_errno=True)
_with_gil = ctypes.PyDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code), what)


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


def disconnect(sock: socket.socket) -> None:
    """A datagram socket hears everyone again, not only whom it was connected to (connect(2) with AF_UNSPEC)."""
    _check(_libc.connect(sock.fileno(), bytes(16), 16), "disconnect")


def mount(source: str, target: str, kind: str | None = None, flags: int = 0, data: str | None = None) -> None:
    _check(
        _libc.mount(
            os.fsencode(source),
            os.fsencode(target),
            kind.encode() if kind else None,
            ctypes.c_ulong(flags),
            os.fsencode(data) if data else None,
        ),
        target,
    )


def restrict(target: str, flags: int) -> None:
    """Adds MS_RDONLY, MS_NOSUID or MS_NODEV to the mount at `target` and to all below it (mount_setattr(2)).

    Before Linux 5.12, or where that call is filtered, each of them is mounted anew. Raises OSError; a part of them may
    have them then.
    """
    attributes = (ctypes.c_uint64 * 4)(flags)  # MOUNT_ATTR_* have the numbers of these three
    done = _libc.syscall(
        _SYS_MOUNT_SETATTR, _AT_FDCWD, os.fsencode(target), _AT_RECURSIVE, attributes, ctypes.sizeof(attributes)
    )
    if done != 0 and ctypes.get_errno() not in (errno.ENOSYS, errno.EPERM):
        _check(done, target)
    if done != 0:
        remount_below(target, flags)


_OPTIONS = {
    "ro": MS_RDONLY,
    "nosuid": MS_NOSUID,
    "nodev": MS_NODEV,
    "noexec": MS_NOEXEC,
    "noatime": 1 << 10,
    "nodiratime": 1 << 11,
    "relatime": 1 << 21,
}


def remount_below(target: str, flags: int) -> None:
    """`restrict` without mount_setattr(2)."""
    for found in mounts():
        if found.point == target or found.point.startswith(target.rstrip("/") + "/"):
            remount(found, flags)


def remount(found: Mounted, flags: int) -> None:
    """Adds flags to one mount."""
    kept = sum(number for name, number in _OPTIONS.items() if name in found.options)
    mount("none", found.point, None, MS_BIND | MS_REMOUNT | kept | flags)


class Mounted(msgspec.Struct, frozen=True):
    """A line of /proc/self/mountinfo, proc(5). device: major:minor. root: the part of it that is seen at `point`.

    kind: tmpfs, proc, …
    """

    device: str
    root: str
    point: str
    options: tuple[str, ...] = ()
    kind: str = ""


def mounts() -> list[Mounted]:
    """The mounts of this mount namespace, in their order."""
    with open("/proc/self/mountinfo", encoding="utf-8", errors="surrogateescape") as lines:
        fields = [line.split(" ") for line in lines]
    return [
        Mounted(each[2], _plain(each[3]), _plain(each[4]), tuple(each[5].split(",")), each[each.index("-", 6) + 1])
        for each in fields
    ]


def _plain(path: str) -> str:
    """Blanks and the like are written as octal numbers."""
    return re.sub(r"\\([0-7]{3})", lambda octal: chr(int(octal[1], 8)), path)


def unmount(target: str, flags: int = MNT_DETACH) -> None:
    _check(_libc.umount2(os.fsencode(target), flags), target)


def pivot_root(new: str, old: str) -> None:
    _check(_libc.syscall(_number(_SYS_PIVOT_ROOT), new.encode(), old.encode()), new)


def fork(flags: int = 0, *, sibling: bool = False) -> int:
    """fork(2) into new namespaces (clone(2)), for a process of one thread: 0 in the child, else its pid.

    sibling: the child's parent is the caller's parent.
    """
    both = flags | _SIGCHLD | (_CLONE_PARENT if sibling else 0)
    pid: int = _with_gil.syscall(_number(_SYS_CLONE), ctypes.c_ulong(both), 0, 0, 0, 0)
    if pid < 0:
        _check(-1, "fork")
    return pid


def _number(of: dict[str, int]) -> int:
    machine = os.uname().machine
    if machine not in of:
        raise OSError(errno.ENOSYS, f"sealane does not know the system calls of {machine}")
    return of[machine]


def die_with_parent(signal: int) -> None:
    """The calling process gets `signal` when the thread that forked it ends (prctl PR_SET_PDEATHSIG)."""
    _check(_libc.prctl(_PR_SET_PDEATHSIG, signal, 0, 0, 0), "prctl")


def shut_memory() -> None:
    """Other processes of the same user may not look into this one (prctl PR_SET_DUMPABLE) until it runs a program."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 0, 0, 0, 0), "prctl")


def open_memory() -> None:
    """Undoes `shut_memory`: a process that is shut may not write its own uid_map."""
    _check(_libc.prctl(_PR_SET_DUMPABLE, 1, 0, 0, 0), "prctl")


def no_new_privileges() -> None:
    """Programs with the setuid bit or file capabilities gain nothing by them (prctl PR_SET_NO_NEW_PRIVS)."""
    _check(_libc.prctl(_PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), "prctl")


def id_exists(number: int, kind: str) -> bool:
    """Whether a process can become the user ("uid") or group ("gid") `number` in this user namespace."""
    with open(f"/proc/self/{kind}_map") as mapping:
        ranges = [tuple(map(int, line.split())) for line in mapping]
    return any(first <= number < first + count for first, _, count in ranges)


def may_set_groups() -> bool:
    with open("/proc/self/setgroups") as answer:
        return answer.read().strip() == "allow"


def in_user_namespace() -> bool:
    """True when this process is root only in a user namespace of its own (user_namespaces(7))."""
    with open("/proc/self/uid_map") as mapping:
        return mapping.read().split() != ["0", "0", "4294967295"]
