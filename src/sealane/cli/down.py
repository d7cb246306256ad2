"""`sealane down`."""

from __future__ import annotations

from sealane.cli.say import NO_CLUSTER, OK, complain, guarded
from sealane.cluster import lifecycle, state


def down(name: str, *, keep: bool, every: bool) -> int:
    return guarded(lambda: _down(name, keep=keep, every=every))


def _down(name: str, *, keep: bool, every: bool) -> int:
    folders = state.clusters() if every else [state.folder(name)]
    if not every and not folders[0].path.exists():
        complain(f"no cluster {name!r}; there is nothing to stop")
        return NO_CLUSTER
    for folder in folders:
        with folder.lock():
            lifecycle.stop(folder, keep=keep)
        print(f"Cluster {folder.name!r} is stopped" + (", its objects are kept" if keep else ""))
    return OK
