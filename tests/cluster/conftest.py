"""Fixtures that several modules here use."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from kubectl_play import play

__all__ = ["play", "shared"]


@pytest.fixture
def shared() -> Iterator[Path]:
    """A folder with a short path in which every user may write. Those of pytest it closes again for each session."""
    with tempfile.TemporaryDirectory(prefix="sealane-", ignore_cleanup_errors=True) as name:
        Path(name).chmod(0o777)
        yield Path(name)
