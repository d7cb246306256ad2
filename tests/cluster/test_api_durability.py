"""Servers that are killed while clients write over HTTPS, on SQLite and on etcd. (`make crash` does more of it.)"""

from __future__ import annotations

from pathlib import Path

from crash_lab import Expected, crash, strike_once
from etcd_process import Etcd, needs_etcd


def test_every_acknowledged_write_survives_kills(tmp_path: Path) -> None:
    path = tmp_path / "store.db"
    expected: Expected = {}
    for after in (50, 400, 900):
        assert strike_once("", path, expected, after) >= after
    assert len(expected) > 16


@needs_etcd
def test_every_acknowledged_write_survives_kills_of_the_server_and_of_etcd(tmp_path: Path) -> None:
    with Etcd(tmp_path / "etcd") as etcd:
        assert crash(1500, etcd.url, tmp_path, etcd) >= 2
