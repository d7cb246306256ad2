"""From the text of `--store` to its backend."""

from __future__ import annotations

from pathlib import Path

from sealane.apiserver.storage.backends import Backend


def connect(url: str, path: str | Path, cluster: str) -> Backend:
    """The backend that `--store` names: "" is SQLite at `path`. Raises StorageError; ValueError for a wrong URL.

    cluster: the name under which this cluster keeps its objects in a store that others use too.
    """
    if not url:
        from sealane.apiserver.storage.backends.sqlite import SqliteBackend  # one of the two is used

        return SqliteBackend.open(path)
    from sealane.apiserver.storage.backends.etcd import EtcdBackend

    return EtcdBackend.connect(url, cluster)
