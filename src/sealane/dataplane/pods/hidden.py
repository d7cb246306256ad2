"""What of the host no program in a pod sees, whatever path leads there: clusters' state, and sockets of the host.

A state folder holds keys, tokens and other pods' Secrets; a socket of a file system can be connected to although it is
mounted read-only, and what listens there (a container runtime, a message bus, another cluster) may do anything.
"""

from __future__ import annotations

import contextlib
import os
import pwd
import re
import stat
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from sealane.dataplane.linux.libc import Mounted

_SIGNS = ("supervisor.sock", "agent.sock", "handoff.sock", "api.sock", "xds.sock")
_OF_USER = re.compile(r"sealane-[0-9]+")
_KEPT = ("cluster.json", "store.db")


def hidden(own: Sequence[str]) -> list[str]:
    """Real paths: the folders `own` of this cluster, those of every other that is known, and sockets of the host.

    Known are those below the places of docs/architecture.md for every account, those beside this one, and all that run.
    """
    sockets = list(_sockets())
    found = {*own, *sockets, *_homes()}
    found.update(os.path.dirname(path) for path in sockets if os.path.basename(path) in _SIGNS)
    for folder in own:
        with contextlib.suppress(OSError):
            beside = list(Path(folder).parent.iterdir())
            found.update(str(each) for each in beside if any((each / sign).exists() for sign in _KEPT))
    real = {os.path.realpath(path) for path in found if os.path.lexists(path)}
    return sorted(path for path in real if not any(str(above) in real for above in Path(path).parents))


def _sockets() -> Iterator[str]:
    """Sockets of this network namespace that have a name in the file system, proc(5)."""
    with open("/proc/net/unix", encoding="utf-8", errors="surrogateescape") as lines:
        paths = {fields[7] for line in lines if len(fields := line.rstrip("\n").split(" ", 7)) == 8}
    for path in paths:
        name = path.strip()
        with contextlib.suppress(OSError, ValueError):
            if name.startswith("/") and stat.S_ISSOCK(os.stat(name).st_mode):
                yield name


def _homes() -> Iterator[str]:
    yield "/var/lib/sealane"
    with contextlib.suppress(OSError):
        yield from (entry.path for entry in os.scandir("/tmp") if _OF_USER.fullmatch(entry.name))
    for account in pwd.getpwall():
        yield f"{account.pw_dir.rstrip('/')}/.local/state/sealane"


Place = tuple[str, str]
"""A device, and a path in its file system: the same for all mounts that show it."""


def locate(path: str, mounts: Iterable[Mounted]) -> Place | None:
    """The place of the real path `path`."""
    best: Mounted | None = None
    for mount in mounts:  # of two at one point, the later one is seen
        if _within(path, mount.point) and (best is None or len(mount.point) >= len(best.point)):
            best = mount
    if best is None:
        return None
    return best.device, _join(best.root, os.path.relpath(path, best.point))


def sights(places: Sequence[Place], mounts: Iterable[Mounted]) -> list[str]:
    """Every path at which one of `mounts` shows one of `places`, or lies in it."""
    found = set()
    for mount in mounts:
        for device, path in places:
            if device != mount.device:
                continue
            if _within(mount.root, path):
                found.add(mount.point)
            elif _within(path, mount.root):
                found.add(_join(mount.point, os.path.relpath(path, mount.root)))
    return sorted(found)


def _within(path: str, folder: str) -> bool:
    return path == folder or path.startswith(folder.rstrip("/") + "/")


def _join(folder: str, below: str) -> str:
    return folder if below == "." else f"{folder.rstrip('/')}/{below}"
