from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from sealane.kube import kinds, schema
from sealane.kube.kinds.defaulting import defaulted
from sealane.kube.kinds.validation import validate
from sealane.kube.schema import Type

CASES = Path(__file__).parent / "defaults"


@pytest.mark.parametrize("name", ["services", "workloads", "network"])
def test_defaults(name: str) -> None:
    given_objects = list(yaml.safe_load_all((CASES / f"{name}.in.yaml").read_text()))
    before = copy.deepcopy(given_objects)
    assert [defaulted(raw) for raw in given_objects] == list(
        yaml.safe_load_all((CASES / f"{name}.out.yaml").read_text())
    )
    assert given_objects == before


PLAIN: dict[str, st.SearchStrategy[Any]] = {
    "string": st.sampled_from(["", "a", "TCP", "ClusterIP", "None", "Recreate", "ClientIP", "LoadBalancer"]),
    "integer": st.integers(-1, 3),
    "boolean": st.booleans(),
    "int-or-string": st.integers(0, 2) | st.sampled_from(["a", "5%"]),
    "number": st.integers(0, 2),
    "quantity": st.sampled_from(["1", "500m"]),
    "bytes": st.just("YQ=="),
    "time": st.just("2026-01-02T15:04:05Z"),
    "any": st.just({}),
}


def values(expression: str, depth: int) -> st.SearchStrategy[Any]:
    """Values of a type of the schema, mostly empty so that defaults have something to do."""
    if expression.startswith("[]"):
        return st.lists(values(expression[2:], depth), max_size=2)
    if expression.startswith("{}"):
        return st.dictionaries(st.sampled_from("ab"), values(expression[2:], depth), max_size=2)
    if expression in schema.PLAIN:
        return PLAIN[expression]
    return objects(schema.named(expression), depth - 1)


def objects(found: Type, depth: int) -> st.SearchStrategy[dict[str, Any]]:
    if depth == 0:
        return st.just({})
    fields = sorted(found.fields.values(), key=lambda field: field.name)

    @st.composite
    def build(draw: st.DrawFn) -> dict[str, Any]:
        chosen = draw(st.lists(st.sampled_from(fields), max_size=4, unique_by=lambda field: field.name))
        return {field.name: draw(st.none() | values(field.type, depth)) for field in chosen}

    return build()


@given(st.data())
def test_defaulting_twice_changes_nothing_and_makes_no_undecodable_object(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(kinds.KNOWN))
    root = schema.root(kind.api_version, kind.kind)
    assert root is not None
    spec = schema.child(root, "spec")
    raw: dict[str, Any] = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": {"name": "a"}}
    if spec is not None:
        raw["spec"] = data.draw(objects(spec, 5))
    before = copy.deepcopy(raw)
    once = defaulted(raw)
    assert raw == before
    assert defaulted(once) == once
    assert not [each for each in validate(once) if each.undecodable]


@pytest.mark.parametrize("kind", ["Pod", "Service", "Deployment", "NetworkPolicy"])
def test_what_is_no_object_is_left_alone(kind: str) -> None:
    version = "v1" if kind in ("Pod", "Service") else "apps/v1" if kind == "Deployment" else "networking.k8s.io/v1"
    for spec in ([], "x", 1, {"template": [], "ports": {}, "containers": "c", "ingress": 1}):
        assert defaulted({"apiVersion": version, "kind": kind, "spec": spec})["kind"] == kind
