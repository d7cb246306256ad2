"""Schemas and objects, and what comes of them: each golden/NAME.in.yaml has its NAME.out.yaml."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

from sealane.kube.objects import Raw
from sealane.kube.structural.defaults import completed
from sealane.kube.structural.node import Node
from sealane.kube.structural.prune import pruned
from sealane.kube.structural.validate import status_causes, update_causes, validation_causes

GOLDEN = Path(__file__).parent / "golden"


def outcome(case: Raw) -> list[Raw]:
    """What becomes of each object of a case: what is unknown, what it is with defaults, what is wrong with it."""
    node = Node.of(case["schema"])
    found = []
    for each in case["objects"]:
        unknown: list[str] = []
        made = completed(node, pruned(node, each["object"], unknown))
        warnings: list[str] = []
        if "old" not in each:
            causes = validation_causes(node, made)
        elif each.get("subresource") == "status":
            causes = status_causes(node, made, each["old"], warnings)
        else:
            causes = update_causes(node, made, each["old"], warnings)
        said: dict[str, Any] = {"name": each["name"]}
        if made != each["object"]:
            said["object"] = made
        if unknown:
            said["unknown"] = unknown
        if causes:
            said["causes"] = [f"{field}: {message}" for field, _, message in causes]
        if warnings:
            said["warnings"] = warnings
        found.append(said)
    return found


@pytest.mark.parametrize("path", sorted(GOLDEN.glob("*.in.yaml")), ids=lambda path: path.name.removesuffix(".in.yaml"))
def test_golden(path: Path) -> None:
    expected = yaml.safe_load(path.with_name(path.name.replace(".in.", ".out.")).read_text())
    assert outcome(yaml.safe_load(path.read_text())) == expected
