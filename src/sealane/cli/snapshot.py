"""`sealane snapshot save` and `sealane snapshot restore`."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from sealane.cli.say import BAD_INPUT, NO_CLUSTER, NOT, OK, Exit, guarded
from sealane.cluster import state
from sealane.cluster.state import Folder, Options

if TYPE_CHECKING:
    from sealane.apiserver.storage.backends.etcd import EtcdBackend


def save(name: str, file: str, *, force: bool) -> int:
    return guarded(lambda: _save(name, Path(file), force=force))


def restore(name: str, file: str, store: str) -> int:
    return guarded(lambda: _restore(name, Path(file), store))


def _save(name: str, file: Path, *, force: bool) -> int:
    from sealane.apiserver.storage.backends import StorageError, snapshots

    folder = state.folder(name)
    if not folder.path.exists() or not folder.is_cluster:
        raise Exit(NO_CLUSTER, f"no cluster {name!r}")
    if file.exists() and not force:
        raise Exit(BAD_INPUT, f"{file} exists; --force replaces it")
    record = folder.read()
    options = record.options if record is not None else Options()
    facts = {"cluster": name, "nodes": str(options.nodes), "saved": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}
    try:
        with _store(folder, options.store) as kept:
            found = snapshots.save(kept, file, facts)
    except StorageError as error:
        raise Exit(NOT, str(error)) from None
    print(f"{found.objects} objects of cluster {name!r} at version {found.version} are in {file}")
    return OK


def _restore(name: str, file: Path, store: str) -> int:
    from sealane.apiserver.storage.backends import StorageError, snapshots

    folder = state.folder(name)
    record = folder.read()
    url = store or (record.options.store if record is not None else "")
    try:
        facts = snapshots.verify(file).facts  # before anything is touched
    except StorageError as error:
        raise Exit(BAD_INPUT, str(error)) from None
    with folder.lock():
        life = folder.claim()
        if life is None:
            raise Exit(BAD_INPUT, f"cluster {name!r} runs; first: sealane down --keep --name {name}")
        try:
            folder.make()
            with _store(folder, url) as kept:
                found = snapshots.restore(file, kept)
        except StorageError as error:
            raise Exit(NOT, str(error)) from None
        finally:
            os.close(life)
    print(f"{found.objects} objects, saved {facts.get('saved')} from cluster {facts.get('cluster')!r}, are in {name!r}")
    options = f" --store '{url}'" if url and record is None else ""
    options += f" --nodes {facts['nodes']}" if record is None and facts.get("nodes", "3") != "3" else ""
    print(f"  sealane up --name {name}{options}   starts it with them")
    return OK


@contextmanager
def _store(folder: Folder, url: str) -> Iterator[EtcdBackend | Path]:
    """The store that `snapshots` reads from or writes to."""
    if not url:
        yield folder.store
        return
    from sealane.apiserver.storage.backends.etcd import EtcdBackend

    try:
        kept = EtcdBackend.connect(url, folder.name)
    except ValueError as error:
        raise Exit(BAD_INPUT, f"--store: {error}") from None
    try:
        yield kept
    finally:
        kept.close()
