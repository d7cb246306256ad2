"""Where options of `sealane exec` may stand: anywhere before --, as with kubectl."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.cli import inside
from sealane.cli.app import app


@pytest.mark.parametrize(
    "line",
    [
        "exec --name lab -n shop deploy/web -- curl -s --name x",
        "exec deploy/web --name lab -n shop -- curl -s --name x",
        "exec -n shop deploy/web --name lab -- curl -s --name x",
    ],
)
def test_options_before_the_dashes_are_ours(line: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[Any] = []
    monkeypatch.setattr(inside, "exec_", lambda *arguments: asked.append(arguments) or 7)
    assert app(line.split(), standalone_mode=False) == 7
    assert asked == [("lab", "shop", "deploy/web", "", ["curl", "-s", "--name", "x"])]
