"""Four of the sets of `tests/sets`, one for each way in which sets did not become ready; `make sets` runs them all."""

from __future__ import annotations

from pathlib import Path

import pytest
from sets_lab import bring_up


@pytest.mark.parametrize("name", ["ingress-nginx", "metallb", "flannel", "postgres"])
def test_everything_of_a_set_becomes_ready(name: str, tmp_path: Path) -> None:
    assert bring_up(name, tmp_path).problems == ()
