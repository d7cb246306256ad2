"""Paths below a directory, walked by descriptors: swapping a directory for a symbolic link gains nothing.

Each step is opened with O_NOFOLLOW. A symbolic link is read and its text is walked in the same way, so it cannot lead
out, and those of /proc (magic links, proc(5)) are text like any other. The same as openat2(2) with RESOLVE_BENEATH and
RESOLVE_IN_ROOT, on every kernel; missing directories are made on the way.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections.abc import Iterator
from pathlib import Path

MOST_LINKS = 40
"""As the kernel follows, path_resolution(7)."""


def descend(folder: int, path: str, *, make: int | None = None, in_root: bool = False) -> int:
    """An O_PATH descriptor of `path` below the directory `folder`; "" is `folder` itself.

    make: the mode of directories that are not there. in_root: `folder` is the root of all paths, so that ".." stays in
    it and absolute links begin there; else they lead out, and that is refused. Raises OSError naming `path`.
    """
    way = [os.dup(folder)]
    left, links = path.split("/")[::-1], 0
    try:
        while left:
            step = left.pop()
            if step in ("", "."):
                continue
            if step == "..":
                _up(way, path, in_root)
                continue
            try:
                found = os.open(step, os.O_PATH | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=way[-1])
            except FileNotFoundError:
                if make is None:
                    raise
                _make(step, way[-1], make)
                left.append(step)
                continue
            if not stat.S_ISLNK(os.fstat(found).st_mode):
                way.append(found)
                continue
            target = os.readlink("", dir_fd=found)
            os.close(found)
            links += 1
            if links > MOST_LINKS:
                raise OSError(errno.ELOOP, os.strerror(errno.ELOOP))
            if target.startswith("/"):
                if not in_root:
                    raise _outside()
                while len(way) > 1:
                    os.close(way.pop())
            left += target.split("/")[::-1]
        return way.pop()
    except OSError as error:
        raise OSError(error.errno, error.strerror, path) from None
    finally:
        for each in way:
            os.close(each)


def _up(way: list[int], path: str, in_root: bool) -> None:
    if len(way) > 1:
        os.close(way.pop())
    elif not in_root:
        raise _outside()


def _outside() -> OSError:
    return OSError(errno.EXDEV, "leads out of the volume")


def _make(name: str, parent: int, mode: int) -> None:
    with contextlib.suppress(FileExistsError):
        os.mkdir(name, mode, dir_fd=parent)
        made = os.open(name, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC, dir_fd=parent)
        try:
            os.fchmod(made, mode)  # whatever the umask
        finally:
            os.close(made)


@contextlib.contextmanager
def opened(path: str | Path) -> Iterator[int]:
    """An O_PATH descriptor of the directory or file at `path`, which is trusted."""
    fd = os.open(path, os.O_PATH | os.O_CLOEXEC)
    try:
        yield fd
    finally:
        os.close(fd)


def write(folder: int, path: str, content: bytes, mode: int, group: int = -1) -> None:
    """Writes a file below `folder` in one step: a reader has the old or the new one. group: its owner; -1: as it comes.

    Only the permission bits of `mode` count. Raises OSError, also when `path` leads out.
    """
    head, _, name = path.rpartition("/")
    if path.startswith("/") or name in ("", ".", ".."):
        raise OSError(errno.EXDEV, "is no file of the volume", path)
    parent = descend(folder, head, make=0o755)
    beside = f".{name}.new"[-255:]
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(beside, dir_fd=parent)
        flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
        with open(os.open(beside, flags, 0o600, dir_fd=parent), "wb") as file:
            file.write(content)
            if group >= 0:
                os.fchown(file.fileno(), -1, group)
            os.fchmod(file.fileno(), mode & 0o777)
        os.rename(beside, name, src_dir_fd=parent, dst_dir_fd=parent)
    finally:
        os.close(parent)


def touch(folder: int, path: str, *, in_root: bool = False) -> None:
    """Makes an empty file where nothing is."""
    head, _, name = path.rpartition("/")
    parent = descend(folder, head, make=0o755, in_root=in_root)
    try:
        with contextlib.suppress(FileExistsError):
            flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
            os.close(os.open(name, flags, 0o644, dir_fd=parent))
    finally:
        os.close(parent)
