"""Manifests and what the API says of each: golden/NAME.in.yaml has NAME.out.yaml, a list of complaints an object."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sealane.kube.kinds.defaulting import defaulted
from sealane.kube.kinds.validation import validate
from sealane.kube.objects import Raw

GOLDEN = Path(__file__).parent / "golden"


def outcome(text: str) -> list[Raw]:
    found = []
    for raw in yaml.safe_load_all(text):
        said = [str(each) for each in validate(defaulted(raw))]
        found.append({"name": raw["metadata"]["name"], **({"says": said} if said else {})})
    return found


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.in.yaml")), ids=lambda path: path.name.removesuffix(".in.yaml"))
def test_golden(path: Path) -> None:
    expected = yaml.safe_load(path.with_name(path.name.replace(".in.", ".out.")).read_text())
    assert outcome(path.read_text()) == expected
