"""Golden pairs of tests/unit/cases: manifests in; model, statuses, Envoy's configuration, traces, nftables out."""

from __future__ import annotations

import os

import pytest

from golden import CASES, NAMES, OUTPUTS


@pytest.mark.parametrize("name", NAMES)
def test_case(name: str) -> None:
    case = CASES / name
    made = {file: text for file, make in OUTPUTS.items() if (text := make(case))}
    if os.environ.get("GOLDEN") == "write":
        for file in OUTPUTS:
            (case / file).write_text(made[file]) if file in made else (case / file).unlink(missing_ok=True)
    there = {file: (case / file).read_text() for file in OUTPUTS if (case / file).exists()}
    assert sorted(there) == sorted(made)
    for file, text in made.items():
        assert text.splitlines() == there[file].splitlines(), f"{name}/{file}: if the new text is right, `make golden`"
