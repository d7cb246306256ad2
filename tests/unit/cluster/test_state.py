"""The state folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealane.cluster import state


def test_only_folders_that_held_a_cluster_are_clusters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEALANE_HOME", str(tmp_path))
    for name, file in (("running", "cluster.json"), ("damaged", "store.db"), ("photographs", "cat.png")):
        (tmp_path / name).mkdir()
        (tmp_path / name / file).touch()
    assert [each.name for each in state.clusters()] == ["damaged", "running"]
