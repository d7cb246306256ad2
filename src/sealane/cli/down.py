"""`sealane down`."""

from __future__ import annotations

from sealane.cli.say import NO_CLUSTER, NOT, OK, Exit, complain, guarded
from sealane.cluster import lifecycle, state
from sealane.cluster.state import Folder


def down(name: str, *, keep: bool, every: bool) -> int:
    return guarded(lambda: _down(name, keep=keep, every=every))


def _down(name: str, *, keep: bool, every: bool) -> int:
    folders = state.clusters() if every else [state.folder(name)]
    if not every and not folders[0].path.exists():
        complain(f"no cluster {name!r}; there is nothing to stop")
        return NO_CLUSTER
    for folder in folders:
        record = folder.read()
        with folder.lock():
            lifecycle.stop(folder, keep=keep)
        if record is not None and record.options.store and not keep:
            _purge(folder, record.options.store)
        print(f"Cluster {folder.name!r} is stopped" + (", its objects are kept" if keep else ""))
    return OK


def _purge(folder: Folder, store: str) -> None:
    """Removes the cluster's objects from etcd."""
    from sealane.apiserver.storage.backends import StorageError
    from sealane.apiserver.storage.backends.etcd import EtcdBackend

    try:
        backend = EtcdBackend.connect(store, folder.name)
        try:
            backend.purge()
        finally:
            backend.close()
    except (StorageError, ValueError) as error:
        raise Exit(NOT, f"cluster {folder.name!r} is stopped, but its objects are still in {store}: {error}") from None
