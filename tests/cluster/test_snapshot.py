"""`sealane snapshot`: of a running cluster, into a new one, and into one whose database is damaged."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from sealane.testing.cluster import Cluster, Done, run

UP = ("--nodes", "1", "--dns-upstream", "none")
CONFIG = "{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, namespace: default}, data: {a: %s}}"


@pytest.fixture
def clusters(tmp_path: Path) -> Iterator[tuple[Cluster, Cluster]]:
    env = {"SEALANE_HOME": str(tmp_path / "home")}
    made = (Cluster("one", env), Cluster("two", env))
    yield made
    for cluster in made:
        cluster.sealane("down")


def snapshot(cluster: Cluster, what: str, file: Path, *options: str) -> Done:
    argv = [sys.executable, "-m", "sealane", "snapshot", what, str(file), "--name", cluster.name, *options]
    return run(argv, env=cluster.env)


def value(cluster: Cluster) -> str:
    return str(cluster.get("configmap", "kept", "default")["data"]["a"])


def test_saved_while_it_runs_and_restored_where_nothing_or_something_damaged_is(
    clusters: tuple[Cluster, Cluster], tmp_path: Path
) -> None:
    one, two = clusters
    file = tmp_path / "saved"
    assert one.sealane("up", *UP, "-", stdin=CONFIG % "first").code == 0
    done = snapshot(one, "save", file)
    assert (done.code, "objects of cluster 'one' at version" in done.out) == (0, True), done
    assert file.stat().st_mode & 0o777 == 0o600
    again = snapshot(one, "save", file)
    assert (again.code, f"{file} exists; --force replaces it" in again.err) == (2, True)
    assert snapshot(one, "save", file, "--force").code == 0
    assert one.sealane("up", *UP, "-", stdin=CONFIG % "second").code == 0
    refused = snapshot(one, "restore", file)
    assert (refused.code, "cluster 'one' runs; first: sealane down --keep --name one" in refused.err) == (2, True)
    assert one.sealane("down", "--keep").code == 0

    restored = snapshot(two, "restore", file)
    assert (restored.code, "sealane up --name two --nodes 1" in restored.out) == (0, True), restored
    assert two.sealane("up", *UP).code == 0
    assert value(two) == "first"

    store = tmp_path / "home/one/store.db"
    os.truncate(store, store.stat().st_size // 2)
    damaged = one.sealane("up", *UP)
    assert damaged.code != 0
    assert f"{store} is damaged" in damaged.err
    assert "sealane snapshot restore FILE" in damaged.err
    assert snapshot(one, "restore", file).code == 0
    assert one.sealane("up", *UP).code == 0
    assert value(one) == "first"


def test_what_is_no_snapshot_is_refused(clusters: tuple[Cluster, Cluster], tmp_path: Path) -> None:
    one, _ = clusters
    (tmp_path / "file").write_text("no snapshot at all" * 50)
    refused = snapshot(one, "restore", tmp_path / "file")
    assert (refused.code, "is no snapshot, or it is damaged" in refused.err) == (2, True)
    missing = snapshot(one, "restore", tmp_path / "none")
    assert (missing.code, "is not there" in missing.err) == (2, True)
    nobody = snapshot(one, "save", tmp_path / "other")
    assert (nobody.code, "no cluster 'one'" in nobody.err) == (4, True)
    assert not (tmp_path / "home").exists() or not list((tmp_path / "home").iterdir())
