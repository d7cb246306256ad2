"""Which folders of the host a container has to be shown."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealane.dataplane.pods.rootfs import covered, is_shown, to_show


@pytest.mark.parametrize(
    ("path", "own"),
    [
        ("/tmp/a/b", "/tmp"),
        ("/run/user/1/a", "/run"),
        ("/dev/shm/a", "/dev/shm"),
        ("/tmp", ""),
        ("/tmpx/a", ""),
        ("/home/me", ""),
        ("program", ""),
    ],
)
def test_what_a_container_has_of_its_own(path: str, own: str) -> None:
    assert covered(path) == own


def test_only_what_is_covered_is_shown_and_only_once() -> None:
    wanted = ["/tmp/a/b", "/usr", "/tmp/a b", "/tmp/a", "/tmp", "/tmp/a"]
    assert to_show(wanted) == ["/tmp/a", "/tmp/a b"]
    assert is_shown("/tmp/a/b/c", to_show(wanted))
    assert not is_shown("/tmp/ab", to_show(wanted))


def test_a_folder_is_shown_by_both_its_names(tmp_path: Path) -> None:
    """As a virtual environment that a link leads to: its programs name it as it was called when it was made."""
    (tmp_path / "real").mkdir()
    (tmp_path / "link").symlink_to("real")
    both = to_show([str(tmp_path / "link")])
    assert both == ([str(tmp_path / "link"), str(tmp_path / "real")] if covered(str(tmp_path)) else [])
