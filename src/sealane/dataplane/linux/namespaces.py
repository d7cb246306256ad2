"""Network namespaces with a name: bind-mounted at run/netns/NAME, so they live as long as the mount.

`run` must be a mount of the cluster's private mount namespace (`privileges.become_private`).
"""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TypeVar

from sealane.dataplane.linux import libc
from sealane.dataplane.linux.netlink import Netlink, link_up

T = TypeVar("T")

_OWN = "/proc/thread-self/ns/net"
_LOOPBACK = 1
_ending: set[threading.Thread] = set()


def path_of(run_dir: Path, name: str) -> Path:
    return run_dir / "netns" / name


def exists(run_dir: Path, name: str) -> bool:
    """True when there is such a namespace (a file without a namespace mounted on it does not count)."""
    with contextlib.suppress(OSError):
        path = path_of(run_dir, name)
        return path.stat().st_dev != path.parent.stat().st_dev
    return False


def names(run_dir: Path) -> list[str]:
    """All named namespaces, sorted."""
    folder = run_dir / "netns"
    return sorted(entry.name for entry in folder.iterdir() if exists(run_dir, entry.name)) if folder.is_dir() else []


@contextlib.contextmanager
def visiting(path: str | os.PathLike[str]) -> Iterator[None]:
    """The calling thread is in the namespace at `path` inside the block, and back where it was after it."""
    back = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc.enter(os.fspath(path))
        try:
            yield
        finally:
            libc.setns(back, libc.CLONE_NEWNET, "return to the former namespace")
    finally:
        os.close(back)


@contextlib.contextmanager
def making(run_dir: Path, name: str, sysctls: Mapping[str, str] | None = None) -> Iterator[None]:
    """Makes a namespace; the calling thread is inside it during the block and back where it was after it.

    Without root there is no way back into the host's own namespace: call it from another namespace or by `in_thread`,
    where the thread simply ends.

    sysctls: below net/, e.g. {"ipv4/ip_forward": "1"}; those of a protocol this kernel lacks are left out.
    Raises FileExistsError when the name is taken. When the block fails, the namespace is gone again.
    """
    path = path_of(run_dir, name)
    if exists(run_dir, name):
        raise FileExistsError(f"network namespace {name} is already there")
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch()
    back = os.open(_OWN, os.O_RDONLY | os.O_CLOEXEC)
    try:
        libc.unshare(libc.CLONE_NEWNET)
        try:
            libc.mount(_OWN, str(path), flags=libc.MS_BIND)
            try:
                for key, value in (sysctls or {}).items():
                    _write_sysctl(key, value)
                with Netlink() as netlink:
                    netlink.apply([link_up(_LOOPBACK)])
                yield
            except BaseException:
                delete(run_dir, name)
                raise
        finally:
            if threading.current_thread() not in _ending:
                libc.setns(back, libc.CLONE_NEWNET, "return to the former namespace")
    finally:
        os.close(back)


def _write_sysctl(key: str, value: str) -> None:
    # /proc/sys/net shows the network namespace of the thread that opens it: here always one we have just made.
    with contextlib.suppress(FileNotFoundError):
        fd = os.open(f"/proc/sys/net/{key}", os.O_WRONLY | os.O_CLOEXEC)
        try:
            os.write(fd, value.encode())
        finally:
            os.close(fd)


def delete(run_dir: Path, name: str) -> None:
    """Removes the name; the namespace ends with its last process and socket. Nothing to do when it is not there."""
    path = path_of(run_dir, name)
    with contextlib.suppress(OSError):
        libc.unmount(str(path))
    path.unlink(missing_ok=True)


def inside(path: str | os.PathLike[str], function: Callable[[], T]) -> T:
    """The result of `function`, run in the namespace at `path` in a thread made for it; e.g. to open sockets there."""

    def run() -> T:
        libc.enter(os.fspath(path))
        return function()

    return in_thread(run)


def in_thread(function: Callable[[], T]) -> T:
    """The result of `function`, run in a thread that ends with it, wherever it has gone meanwhile."""
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        _ending.add(threading.current_thread())
        try:
            results.append(function())
        except BaseException as error:
            errors.append(error)
        finally:
            _ending.discard(threading.current_thread())

    thread = threading.Thread(target=run, name="namespace")
    thread.start()
    thread.join()
    if errors:
        raise errors[0]
    return results[0]
