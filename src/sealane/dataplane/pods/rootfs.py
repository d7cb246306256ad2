"""A container's own view of the host's file system: everything readable, nothing of the host's changed.

Built inside a new mount namespace: a tmpfs as root, an overlay for each of the host's top-level directories (one over
`/` is refused inside a user namespace), fresh /tmp, /run, /dev, /proc and /sys, then the pod's volumes. Writes go to
the layer, a directory on the cluster's private tmpfs. In a user namespace files of the host's root stay read-only.
Of the host's /tmp, /run and /dev/shm a container sees the folders that the cluster was started from: those are shown.

Volumes are mounted aside first, with what restricts them, and moved to their places only when nothing of the host has a
path any more: a symbolic link in a volume can lead to nothing but the container's own view.
"""

from __future__ import annotations

import contextlib
import errno
import os
import stat
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path

import msgspec

from sealane.dataplane.linux import beneath, libc
from sealane.dataplane.linux.beneath import descend, opened
from sealane.dataplane.pods.hidden import Place, locate, sights

_FRESH = {"proc", "sys", "dev", "tmp", "run", "lost+found"}
_OWN = ("/tmp", "/run", "/dev/shm")
"""What each container has of its own where the host has folders of people."""
_DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
_STAGE = ".volumes"
_READ_ONLY_PROC = ("bus", "fs", "irq", "sys", "sysrq-trigger")


class Mount(msgspec.Struct, frozen=True):
    """A volume: the directory or file `source`, or what is `sub` below it, seen at `target`.

    host: it is the host's, of which nothing is changed, and some things are hidden.
    """

    source: str
    target: str
    read_only: bool = False
    sub: str = ""
    host: bool = False


class RootPlan(msgspec.Struct, frozen=True):
    """layer: directory for what the container writes. files: put into the layer first, by absolute path.

    show: host directories that the container sees although they lie below a directory that it has of its own.
    hide: real paths of the host that the container sees empty, wherever (see `hidden`). privileged: kernel settings can
    be written, in copies of them but for those of its network; allow_host: the settings themselves.
    read_only: nothing can be written but in volumes and /dev (readOnlyRootFilesystem).
    """

    layer: str
    files: dict[str, str] = {}
    mounts: list[Mount] = []
    hide: list[str] = []
    show: list[str] = []
    privileged: bool = False
    allow_host: bool = False
    read_only: bool = False


def covered(path: str) -> str:
    """Which directory that every container has of its own the host's `path` lies below; "" when there is none."""
    return next((own for own in _OWN if path.startswith(own + "/")), "")


def to_show(paths: Iterable[str]) -> list[str]:
    """Those of the host's directories that a container would not see by itself, without those below another of them."""
    found: list[str] = []
    for path in sorted({spelled(one) for one in paths for spelled in (os.path.abspath, os.path.realpath)}):
        if covered(path) and not is_shown(path, found):
            found.append(path)
    return found


def is_shown(path: str, shown: Sequence[str]) -> bool:
    """Whether `path` is one of the directories `shown` or lies below one."""
    return any(path == folder or path.startswith(folder + "/") for folder in shown)


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
    for shown in plan.show:
        _show(Path(shown), layer, root)
    host = libc.mounts()
    places = [place for path in plan.hide if (place := locate(path, host)) is not None]
    for path in sights(places, [mount for mount in host if not mount.point.startswith(f"{layer}/")]):
        _cover(str(root) + path, layer)
    staged = [_stage(mount, root / _STAGE / str(index), layer, places) for index, mount in enumerate(plan.mounts)]
    old = root / ".host"
    old.mkdir()
    libc.pivot_root(str(root), str(old))
    os.chdir("/")
    libc.unmount("/.host")  # from here on nothing of the host has a path but what is meant to be seen
    with contextlib.suppress(OSError):
        os.rmdir("/.host")
    own = libc.mounts()
    with opened("/") as top:
        for index, (mount, is_folder) in enumerate(zip(plan.mounts, staged, strict=True)):
            _place(top, f"/{_STAGE}/{index}", mount.target, is_folder=is_folder)
    with contextlib.suppress(OSError):
        os.rmdir(f"/{_STAGE}")
    if plan.read_only:
        _protect(own)


def _protect(own: Sequence[libc.Mounted]) -> None:
    """Makes what is no volume read-only, but for /dev and the kernel's. own: the mounts before volumes came."""
    before = Counter(mount.point for mount in own)
    now = Counter(mount.point for mount in libc.mounts())
    volumes = [f"{point}/" for point, count in now.items() if count > before[point]]
    for mount in libc.mounts():
        spared = (*volumes, "/proc/", "/sys/", "/dev/")
        if mount.point in before and not f"{mount.point}/".startswith(spared):
            libc.remount(mount, libc.MS_RDONLY)


def fresh_proc(*, privileged: bool = False, allow_host: bool = False) -> None:
    """Shows the processes of the calling process's PID namespace in /proc; keeps the former one where that is refused.

    Kernel settings in it are read-only, as in any container runtime; see `RootPlan` for privileged ones.
    """
    elsewhere = [one.point for one in libc.mounts() if one.kind == "proc" and not f"{one.point}/".startswith("/proc/")]
    with contextlib.suppress(OSError):
        libc.mount("proc", "/proc", "proc", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC)
        for path in elsewhere:  # of a hostPath, in place of the host's
            libc.mount("/proc", path, None, libc.MS_BIND)
            libc.restrict(path, libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV)
    if privileged and allow_host:
        return
    for name in _READ_ONLY_PROC:
        path = f"/proc/{name}"
        if name == "sys" and privileged:
            _copy_settings(Path(path))
        elif os.path.exists(path):
            libc.mount(path, path, None, libc.MS_BIND | libc.MS_REC)
            libc.restrict(path, libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV)


def _copy_settings(sys: Path) -> None:
    """Kernel settings that can be written without any effect; those of the network are the pod's own, and real."""
    for top in sys.iterdir():
        if top.name == "net" or not top.is_dir():
            continue
        found = []
        for folder, _, names in os.walk(top):
            for name in names:
                path = os.path.join(folder, name)
                with contextlib.suppress(OSError):  # some can only be written
                    found.append((path, Path(path).read_bytes()))
        libc.mount("settings", str(top), "tmpfs", libc.MS_NOSUID | libc.MS_NODEV | libc.MS_NOEXEC, "mode=0555")
        for path, content in found:
            os.makedirs(os.path.dirname(path), exist_ok=True)
            Path(path).write_bytes(content)


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
        libc.restrict(str(target), libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV)
    elif entry.is_dir():
        target.mkdir()
        if not os.access(entry.path, os.R_OK | os.X_OK):
            return
        _take_folder(Path(entry.path), layer, target)


def _take_folder(folder: Path, layer: Path, target: Path) -> None:
    try:
        _overlay(folder, layer, target)
    except OSError as error:
        if error.errno != errno.EINVAL:
            raise
        for below in os.scandir(folder):
            _take(below, layer, target / below.name)


def _show(folder: Path, layer: Path, root: Path) -> None:
    """A directory of the host below one of the container's own; nothing when it is gone or not ours to see.

    One that links lead to becomes a link: what is hidden in it is hidden where it really is.
    """
    if not folder.is_dir() or not os.access(folder, os.R_OK | os.X_OK):
        return
    target = root / folder.relative_to("/")
    target.parent.mkdir(parents=True, exist_ok=True)
    real = os.path.realpath(folder)
    if real != str(folder):
        target.symlink_to(real)
    else:
        target.mkdir()
        _take_folder(folder, layer, target)


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
    libc.mount("dev", str(dev), "tmpfs", libc.MS_NOSUID | libc.MS_NODEV, "mode=0755")
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
        libc.restrict(str(sys), libc.MS_RDONLY | libc.MS_NOSUID | libc.MS_NODEV)


def _stage(mount: Mount, at: Path, layer: Path, places: Sequence[Place]) -> bool:
    """Mounts a volume where no program sees it yet, with all restrictions; whether it is a directory."""
    with opened(mount.source) as volume:
        source = descend(volume, mount.sub)
    try:
        is_folder = stat.S_ISDIR(os.fstat(source).st_mode)
        at.parent.mkdir(exist_ok=True)
        at.mkdir() if is_folder else at.touch()
        libc.mount(f"/proc/self/fd/{source}", str(at), None, libc.MS_BIND | libc.MS_REC)
    finally:
        os.close(source)
    if mount.host:
        here = [one for one in libc.mounts() if f"{one.point}/".startswith(f"{at}/")]
        processes = [one.point for one in here if one.kind == "proc"]  # whose root, memory and environment are in it
        for path in (*sights(places, here), *processes):
            _cover(path, layer)
    flags = libc.MS_NOSUID | libc.MS_NODEV if mount.host or mount.read_only else 0
    if mount.read_only:
        flags |= libc.MS_RDONLY
    if flags:
        libc.restrict(str(at), flags)
    return is_folder


def _place(top: int, staged: str, target: str, *, is_folder: bool) -> None:
    """Moves a staged volume to its target; links on the way, and directories made there, are the container's."""
    if not is_folder:
        beneath.touch(top, target, in_root=True)
    point = descend(top, target, make=0o755 if is_folder else None, in_root=True)
    try:
        libc.mount(staged, f"/proc/self/fd/{point}", None, libc.MS_MOVE)
    except OSError as error:
        raise OSError(error.errno, error.strerror, target) from None
    finally:
        os.close(point)
    with contextlib.suppress(OSError):
        os.rmdir(staged) if is_folder else os.unlink(staged)


def _cover(path: str, layer: Path) -> None:
    """Nothing is seen there any more."""
    try:
        kind = os.lstat(path).st_mode
    except OSError:
        return
    if stat.S_ISDIR(kind):
        libc.mount("hidden", path, "tmpfs", libc.MS_RDONLY | libc.MS_NODEV | libc.MS_NOSUID, "mode=0700")
    elif not stat.S_ISLNK(kind):
        empty = layer / "empty"
        empty.touch(mode=0o400)
        libc.mount(str(empty), path, None, libc.MS_BIND)
