"""A container's own view of the host's file system: everything readable, nothing of the host's changed.

Built inside a new mount namespace: a tmpfs as root, an overlay for each of the host's top-level directories (one over
`/` is refused inside a user namespace), fresh /tmp, /run, /dev, /proc and /sys, then the pod's volumes. Writes go to
the layer, a directory on the cluster's private tmpfs. In a user namespace files of the host's root stay read-only.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from pathlib import Path

import msgspec

from sealane.dataplane.linux import libc

_FRESH = {"proc", "sys", "dev", "tmp", "run", "lost+found"}
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")


class Mount(msgspec.Struct, frozen=True):
    """A volume: the directory or file `source`, seen at `target`."""

    source: str
    target: str
    read_only: bool = False


class RootPlan(msgspec.Struct, frozen=True):
    """layer: directory for what the container writes. files: put into the layer first, by absolute path.

    hide: host directories that the container sees empty (the cluster's own state).
    """

    layer: str
    files: dict[str, str] = {}
    mounts: list[Mount] = []
    hide: list[str] = []
    privileged: bool = False


def build(plan: RootPlan) -> None:
    """Builds it and makes it the root of the calling process, which is single-threaded and may not return from it.

    Enters a new mount namespace first. Raises OSError naming the path that could not be mounted.
    """
    libc.unshare(libc.CLONE_NEWNS)
    libc.mount("none", "/", None, libc.MS_REC | libc.MS_PRIVATE)
    layer = Path(plan.layer)
    root = layer / "root"
    root.mkdir(parents=True, exist_ok=True)
    libc.mount("root", str(root), "tmpfs", libc.MS_NODEV, "mode=0755")
    _write_files(layer, plan.files)
    for entry in sorted(os.scandir("/"), key=lambda one: one.name):
        if entry.name not in _FRESH:
            _take(entry, layer, root / entry.name)
    for name, mode in (("tmp", "1777"), ("run", "0755")):
        (root / name).mkdir()
        libc.mount(name, str(root / name), "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, f"mode={mode}")
    (root / "run" / "lock").mkdir(mode=0o1777)
    _devices(root / "dev")
    (root / "proc").mkdir()
    libc.mount("/proc", str(root / "proc"), None, libc.MS_BIND | libc.MS_REC)
    _sysfs(root / "sys")
    for hidden in plan.hide:
        inside = root / hidden.lstrip("/")
        if inside.is_dir():
            libc.mount("hidden", str(inside), "tmpfs", libc.MS_NODEV, "mode=0700")
    old = root / ".host"
    old.mkdir()
    libc.pivot_root(str(root), str(old))
    os.chdir("/")
    for mount in plan.mounts:
        _volume(mount)
    libc.unmount("/.host")
    with contextlib.suppress(OSError):
        os.rmdir("/.host")


def fresh_proc(*, privileged: bool = False) -> None:
    """Shows the processes of the calling process's PID namespace in /proc; keeps the former one where that is refused.

    Kernel settings in it are read-only, as in any container runtime.
    """
    with contextlib.suppress(OSError):
        libc.mount("proc", "/proc", "proc", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
    if privileged:
        return
    for name in _READ_ONLY_PROC:
        path = f"/proc/{name}"
        with contextlib.suppress(OSError):
            libc.mount(path, path, None, libc.MS_BIND | libc.MS_REC)
            flags = libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC
            libc.mount(path, path, None, libc.MS_BIND | libc.MS_REMOUNT | libc.MS_RDONLY | flags)


def _write_files(layer: Path, files: dict[str, str]) -> None:
    for path, content in files.items():
        target = layer / "upper" / path.lstrip("/")
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
        target.write_text(content)
        target.chmod(0o644)


def _take(entry: os.DirEntry[str], layer: Path, target: Path) -> None:
    """One entry of the host: an overlay of a directory, a copy of a symbolic link, a read-only sight of a file.

    A directory below which something else is mounted cannot be overlaid in a user namespace (the mounts are locked
    together): its entries are taken one by one.
    """
    if entry.is_symlink():
        target.symlink_to(os.readlink(entry.path))
    elif entry.is_file():
        target.touch()
        libc.mount(entry.path, str(target), None, libc.MS_BIND)
    elif entry.is_dir():
        target.mkdir()
        if not os.access(entry.path, os.R_OK | os.X_OK):
            return
        try:
            _overlay(Path(entry.path), layer, target)
        except OSError as error:
            if error.errno != errno.EINVAL:
                raise
            for below in os.scandir(entry.path):
                _take(below, layer, target / below.name)


def _overlay(lower: Path, layer: Path, target: Path) -> None:
    upper, work = layer / "upper" / lower.relative_to("/"), layer / "work" / str(lower)[1:].replace("/", ":")
    upper.mkdir(parents=True, exist_ok=True)
    work.mkdir(parents=True, exist_ok=True)
    with contextlib.suppress(OSError):
        upper.chmod(stat.S_IMODE(lower.stat().st_mode))
    options = f"lowerdir={_escaped(lower)},upperdir={_escaped(upper)},workdir={_escaped(work)}"
    # Inside a user namespace overlayfs keeps its marks in user.* attributes.
    own = ",userxattr" if libc.in_user_namespace() else ""
    libc.mount("overlay", str(target), "overlay", libc.MS_NODEV, options + own)


def _escaped(path: Path) -> str:
    return str(path).replace("\\", "\\\\").replace(":", "\\:").replace(",", "\\,")


def _devices(dev: Path) -> None:
    dev.mkdir()
    libc.mount("dev", str(dev), "tmpfs", libc.MS_NOSUID, "mode=0755")
    for name in _DEVICES:
        if os.path.exists(f"/dev/{name}"):
            (dev / name).touch()
            libc.mount(f"/dev/{name}", str(dev / name), None, libc.MS_BIND)
    for name in ("pts", "shm"):
        (dev / name).mkdir()
    libc.mount("devpts", str(dev / "pts"), "devpts", libc.MS_NOSUID | libc.MS_NOEXEC, "newinstance,ptmxmode=0666")
    libc.mount("shm", str(dev / "shm"), "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "mode=1777,size=64m")
    (dev / "ptmx").symlink_to("pts/ptmx")
    for name, target in (("fd", ""), ("stdin", "/0"), ("stdout", "/1"), ("stderr", "/2")):
        (dev / name).symlink_to(f"/proc/self/fd{target}")


def _sysfs(sys: Path) -> None:
    """The network devices below /sys/class/net are those of the pod, where the kernel lets us mount it."""
    sys.mkdir()
    try:
        libc.mount("sysfs", str(sys), "sysfs", libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
    except OSError:
        libc.mount("/sys", str(sys), None, libc.MS_BIND | libc.MS_REC)


def _volume(mount: Mount) -> None:
    """After pivot_root: the host is below /.host, and a target's symbolic links are the container's own."""
    source = "/.host" + mount.source
    target = os.path.realpath(mount.target)
    if os.path.isdir(source):
        os.makedirs(target, exist_ok=True)
    else:
        os.makedirs(os.path.dirname(target), exist_ok=True)
        if not os.path.exists(target):
            Path(target).touch()
    libc.mount(source, target, None, libc.MS_BIND | libc.MS_REC)
    if mount.read_only:
        flags = libc.MS_BIND | libc.MS_REMOUNT | libc.MS_RDONLY | libc.MS_NODEV | libc.MS_NOSUID
        libc.mount(target, target, None, flags)
