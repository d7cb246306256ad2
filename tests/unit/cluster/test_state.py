"""The state folder."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealane.cluster import state


def test_only_folders_that_held_a_cluster_are_clusters(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEALANE_HOME", str(tmp_path))
    for name, file in (("running", "cluster.json"), ("damaged", "store.db"), ("photographs", "cat.png")):
        (tmp_path / name).mkdir(mode=0o700)
        (tmp_path / name / file).touch()
    assert [each.name for each in state.clusters()] == ["damaged", "running"]


def test_the_folder_below_tmp_must_be_ours_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Everybody can make it first."""
    home = tmp_path / "sealane-1"
    monkeypatch.setattr(state, "home", lambda: home)
    monkeypatch.setattr(state, "_temporary", lambda: home)
    state.folder("new")  # nothing is there yet
    home.mkdir(mode=0o755)
    for refused in (lambda: state.folder("new"), state.clusters, state.Folder(home / "new").make):
        with pytest.raises(state.StateError, match="it must be yours alone"):
            refused()
    home.chmod(0o700)
    state.folder("new").make()
    home.rename(tmp_path / "elsewhere")
    home.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(state.StateError, match="and no link"):
        state.folder("new")


def test_a_home_that_others_may_write_is_refused(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("SEALANE_HOME", str(tmp_path))
    tmp_path.chmod(0o777)
    with pytest.raises(state.StateError, match="mode 0777; it must be yours or root's"):
        state.folder("new")
    tmp_path.chmod(0o1777)  # as /tmp: nobody renames what is ours
    state.folder("new").make()


def test_a_folder_that_is_not_ours_alone_is_no_cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """What others may have written is not read: pids that `down` would end, addresses that secrets would go to."""
    monkeypatch.setenv("SEALANE_HOME", str(tmp_path))
    (tmp_path / "open").mkdir(mode=0o755)
    (tmp_path / "open").chmod(0o755)
    (tmp_path / "open/cluster.json").touch()
    (tmp_path / "link").symlink_to(tmp_path / "open")
    assert state.clusters() == []
    for name in ("open", "link"):
        with pytest.raises(state.StateError, match="must be a folder of yours alone"):
            state.folder(name)
