"""Paths below a directory do not lead out of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sealane.dataplane.linux import beneath


@pytest.fixture
def volume(tmp_path: Path) -> Path:
    (tmp_path / "outside").mkdir()
    (tmp_path / "volume/a/b").mkdir(parents=True)
    for name, target in {
        "absolute": str(tmp_path / "outside"),
        "upward": "../outside",
        "a/twice": "../../outside",
        "inside": "a/../a/b",
        "loop": "loop",
        "process": "/proc/self/root",
    }.items():
        (tmp_path / "volume" / name).symlink_to(target)
    return tmp_path / "volume"


def place(volume: Path, path: str, *, make: int | None = None, in_root: bool = False) -> str:
    with beneath.opened(volume) as top:
        fd = beneath.descend(top, path, make=make, in_root=in_root)
        try:
            return os.readlink(f"/proc/self/fd/{fd}")
        finally:
            os.close(fd)


@pytest.mark.parametrize("path", ["absolute", "upward/x", "a/twice", "..", "a/../..", "process/etc", "../volume/a"])
def test_what_leads_out_is_refused(volume: Path, path: str) -> None:
    with pytest.raises(OSError, match="leads out of the volume"):
        place(volume, path, make=0o755)
    assert not list((volume.parent / "outside").iterdir())


@pytest.mark.parametrize("path", ["inside", "a/./b/", "a/../a/b", "inside/../b"])
def test_what_stays_inside_is_found(volume: Path, path: str) -> None:
    assert place(volume, path) == str(volume / "a/b")


def test_in_a_root_links_begin_there(volume: Path) -> None:
    assert place(volume, "../../a/b", in_root=True) == str(volume / "a/b")
    assert place(volume, "upward/x", make=0o750, in_root=True) == str(volume / "outside/x")
    assert (volume / "outside/x").stat().st_mode & 0o777 == 0o750
    assert not list((volume.parent / "outside").iterdir())


def test_links_without_end_are_refused(volume: Path) -> None:
    with pytest.raises(OSError, match="symbolic links"):
        place(volume, "loop")


def test_files_are_replaced_in_one_step_with_permission_bits_only(volume: Path) -> None:
    (volume / "a/link").symlink_to(volume.parent / "outside/target")
    with beneath.opened(volume) as top:
        beneath.write(top, "new/file", b"one", 0o4755)
        beneath.write(top, "a/link", b"two", 0o600)
        for path in ("upward/file", "/tmp/file", "..", "a/..", ""):
            with pytest.raises(OSError, match=r"leads out of the volume|is no file of the volume"):
                beneath.write(top, path, b"out", 0o644)
    assert (volume / "new/file").read_bytes() == b"one"
    assert (volume / "new/file").stat().st_mode & 0o7777 == 0o755
    assert (volume / "a/link").read_bytes() == b"two"
    assert not list((volume.parent / "outside").iterdir())
