"""Golden pairs: NAME.in.yaml holds manifests (shop: those of examples/shop), NAME.traces.yaml what is asked, and
NAME.out.yaml what is answered. `UPDATE_GOLDEN=1` writes the last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from sealane.cluster import bootstrap
from sealane.explain.expect import expected
from sealane.explain.parties import Unknown
from sealane.explain.render import render
from sealane.explain.steps import Step, Trace
from sealane.explain.trace import trace
from sealane.explain.world import World
from sealane.kube.manifests import load
from sealane.kube.objects import Key, Object, Origin

GOLDEN = Path(__file__).parent / "golden"
SHOP = Path(__file__).parents[3] / "examples" / "shop"
CASES = sorted(GOLDEN.glob("*.traces.yaml"))


def manifests(case: str) -> list[Object]:
    loaded = load([SHOP if case == "shop" else GOLDEN / f"{case}.in.yaml"])
    assert not loaded.problems, [str(problem) for problem in loaded.problems]
    return [Object(item.raw, replace(item.origin, file=Path(item.origin.file).name)) for item in loaded.objects]  # type: ignore[type-var]


@cache
def world(case: str) -> World:
    cluster = [Object(raw) for _, raw in bootstrap.objects(2)]
    return World(expected([*cluster, *manifests(case)]))


def lines(steps: tuple[Step, ...], depth: int = 0) -> Iterator[str]:
    for step in steps:
        at = f"  @ {step.at}" if step.at else ""
        yield f"{'  ' * depth}{step.mark} {step.hop}: {step.text}{at}"
        yield from lines(step.parts, depth + 1)


def answer(asked: dict[str, str], case: str) -> dict[str, Any]:
    question = f"{asked['from']} -> {asked['to']}" + (f" port {asked['port']}" if "port" in asked else "")
    try:
        found = trace(world(case), asked["from"], asked["to"], asked.get("namespace", "default"), asked.get("port"))
    except Unknown as error:
        return {"trace": question, "error": str(error)}
    return {
        "trace": question,
        "steps": list(lines(found.steps)),
        "verdict": found.verdict,
        "reason": found.reason,
    }


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.removesuffix(".traces.yaml"))
def test_traces(case: Path) -> None:
    name = case.name.removesuffix(".traces.yaml")
    found = [answer(asked, name) for asked in yaml.safe_load(case.read_text())]
    out = GOLDEN / f"{name}.out.yaml"
    if os.environ.get("UPDATE_GOLDEN"):
        out.write_text(yaml.safe_dump(found, sort_keys=False, width=1000))
    assert found == yaml.safe_load(out.read_text())


def shop(source: str, target: str) -> Trace:
    return trace(world("shop"), source, target, "shop")


def test_exit_codes() -> None:
    assert shop("deploy/frontend", "http://cart-service/items").exit_code == 0
    assert shop("deploy/checkout", "cart-service").exit_code == 1


def test_json_says_all() -> None:
    found = shop("deploy/frontend", "http://cart-service/items").json()
    assert found["verdict"] == "allowed"
    assert {endpoint["pod"] for endpoint in found["endpoints"]} == {f"shop/cart-{index}" for index in range(3)}
    assert [step["hop"] for step in found["steps"]] == ["source", "name", "service", "egress", "ingress", "pod"]


def test_rendered_for_people() -> None:
    console = Console(width=120, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    console.print(render(shop("deploy/checkout", "cart-service")))
    text = console.export_text()
    assert "✗ egress" in text.replace("✗  egress", "✗ egress")
    assert "denied: shop/checkout-0 is isolated" in text


def test_lines_of_the_manifest_that_decided() -> None:
    """Origins of given objects, of pods' templates, and those that a callable knows."""
    origins = {
        "web-to-app": Origin("policies.yaml", 60, {("spec", "egress", 0): 70}),
        "cart": Origin("cart.yaml", 1, {("spec", "template"): 10, ("spec", "template", "spec", "containers", 0): 20}),
    }
    given = [Object(item.raw, origins.get(item.name) if item.kind != "Service" else None) for item in manifests("shop")]
    cluster = [Object(raw) for _, raw in bootstrap.objects(2)]
    service = Key("", "Service", "shop", "cart-service")
    known = World(
        expected([*cluster, *given]),
        lambda key: Origin("services.yaml", 5, {("spec", "ports", 0): 9}) if key == service else None,
    )
    found = {step.hop: step.at for step in trace(known, "deploy/frontend", "cart-service", "shop").steps}
    assert found["egress"] == "policies.yaml:70"
    assert found["pod"] == "cart.yaml:20"
    assert found["service"] == "services.yaml:9"
