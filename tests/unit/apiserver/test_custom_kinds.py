"""Custom kinds over HTTP: from the definition to its objects, in every version, and what changes with it."""

from __future__ import annotations

import asyncio
from copy import deepcopy
from typing import Any

import pytest
from tests.unit.apiserver.asking import Asker, run
from tests.unit.apiserver.conftest import Cluster

from sealane.kube.objects import Raw

CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
WIDGETS = "/apis/example.com/{}/namespaces/default/widgets"
V1 = WIDGETS.format("v1")
MERGE = "application/merge-patch+json"
SPEC: Raw = {
    "type": "object",
    "required": ["size"],
    "properties": {
        "size": {"type": "integer", "minimum": 0},
        "color": {"type": "string", "default": "red", "enum": ["red", "green"]},
        "note": {"type": "string", "nullable": True},
        "ports": {
            "type": "array",
            "x-kubernetes-list-type": "map",
            "x-kubernetes-list-map-keys": ["name"],
            "items": {"type": "object", "required": ["name"], "properties": {"name": {"type": "string"}}},
        },
    },
}


def crd(spec: Raw = SPEC, **version: Any) -> Raw:
    status = {"type": "object", "properties": {"ready": {"type": "boolean"}, "size": {"type": "integer"}}}
    made = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": {"type": "object", "properties": {"spec": spec, "status": status}}},
        "subresources": {
            "status": {},
            "scale": {"specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size"},
        },
        "additionalPrinterColumns": [{"name": "Size", "type": "integer", "jsonPath": ".spec.size"}],
        "selectableFields": [{"jsonPath": ".spec.color"}],
        **version,
    }
    names = {"kind": "Widget", "plural": "widgets", "shortNames": ["wd"], "categories": ["toys"]}
    return {
        "metadata": {"name": "widgets.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": names, "versions": [made]},
    }


def widget(name: str = "w", version: str = "v1", **spec: Any) -> Raw:
    return {"apiVersion": f"example.com/{version}", "kind": "Widget", "metadata": {"name": name}, "spec": spec}


def test_objects_are_pruned_defaulted_and_checked(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        made = await ask(CRDS, "POST", crd())
        assert made["http"] == 201
        assert {each["type"]: each["status"] for each in made["status"]["conditions"]} == {
            "NamesAccepted": "True",
            "Established": "True",
        }
        assert made["status"]["acceptedNames"]["singular"] == "widget"
        assert made["status"]["storedVersions"] == ["v1"]
        found = await ask(V1, "POST", widget(size=2, colour="x", note=None))
        assert found["http"] == 201
        assert found["spec"] == {"size": 2, "color": "red", "note": None}  # what may be null stays so
        assert found["warnings"] == ['299 - "unknown field \\"spec.colour\\""']
        strict = await ask(V1, "POST", widget("x", size=2, colour="x"), fieldValidation="Strict")
        assert (strict["http"], strict["message"]) == (
            400,
            'Widget in version "v1" cannot be handled as a Widget: strict decoding error: unknown field "spec.colour"',
        )
        wrong = await ask(V1, "POST", widget("x", size="2", color="blue"))
        assert wrong["http"] == 422
        assert wrong["message"] == (
            'Widget.example.com "x" is invalid: [spec.size: Invalid value: "string": spec.size in body must be of type '
            'integer: "string", spec.color: Unsupported value: "blue": supported values: "red", "green", .spec.size: '
            "Invalid value: 0: .spec.size accessor error: 2 is of the type string, expected int64]"
        )
        assert wrong["details"]["causes"][0]["reason"] == "FieldValueTypeInvalid"
        assert (await ask(f"{V1}/w", "PATCH", {"spec": {"size": -1}}, MERGE))["http"] == 422

    run(cluster, test)


def test_status_scale_and_generation(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(CRDS, "POST", crd())
        made = await ask(V1, "POST", {**widget(size=1), "status": {"ready": True}})
        assert "status" not in made
        assert made["metadata"]["generation"] == 1
        found = await ask(f"{V1}/w/status", "PATCH", {"status": {"ready": True}, "spec": {"size": 5}}, MERGE)
        assert (found["spec"]["size"], found["status"], found["metadata"]["generation"]) == (1, {"ready": True}, 1)
        wrong = await ask(f"{V1}/w/status", "PATCH", {"status": {"ready": "no"}}, MERGE)
        assert 'status.ready: Invalid value: "string": ready in body must be of type boolean' in wrong["message"]
        await ask(f"{V1}/w", "PATCH", {"metadata": {"labels": {"a": "b"}}}, MERGE)
        scaled = await ask(f"{V1}/w/scale", "PATCH", {"spec": {"replicas": 4}}, MERGE)
        assert scaled["spec"] == {"replicas": 4}
        found = await ask(f"{V1}/w")
        assert (found["spec"]["size"], found["metadata"]["generation"]) == (4, 2)

    run(cluster, test)


def test_columns_selectors_and_discovery(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(CRDS, "POST", crd())
        for name, color in (("a", "red"), ("b", "green")):
            await ask(V1, "POST", widget(name, size=1, color=color))
        found = await ask(V1, fieldSelector="spec.color=green")
        assert [each["metadata"]["name"] for each in found["items"]] == ["b"]
        refused = await ask(V1, fieldSelector="spec.size=1")
        assert (refused["http"], refused["message"]) == (400, "field label not supported: spec.size")
        async with ask.session.get(V1, headers={"Accept": "application/json;as=Table;g=meta.k8s.io;v=v1"}) as response:
            table = await response.json()
        assert [each["name"] for each in table["columnDefinitions"]] == ["Name", "Size"]
        assert [row["cells"] for row in table["rows"]] == [["a", 1], ["b", 1]]
        listed = await ask("/apis/example.com/v1")
        own = next(each for each in listed["resources"] if each["name"] == "widgets")
        assert (own["shortNames"], own["categories"], own["singularName"]) == (["wd"], ["toys"], "widget")
        assert {each["name"] for each in listed["resources"]} == {"widgets", "widgets/status", "widgets/scale"}

    run(cluster, test)


def test_server_side_apply_merges_lists_by_their_keys(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(CRDS, "POST", crd())
        for manager in ("one", "two"):
            raw = widget(size=1, ports=[{"name": manager}])
            body = str(raw).replace("'", '"').encode()
            found = await ask(
                f"{V1}/w", "PATCH", body, "application/apply-patch+yaml", fieldManager=manager, force="true"
            )
            assert found["http"] in (200, 201), found
        assert [each["name"] for each in found["spec"]["ports"]] == ["one", "two"]

    run(cluster, test)


def test_versions_and_what_they_are_told(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        made = crd()
        first = made["spec"]["versions"][0]
        made["spec"]["versions"] = [
            {**first, "name": "v1alpha1", "storage": False, "deprecated": True},
            {**first, "name": "v1beta1", "storage": False, "served": False},
            first,
        ]
        await ask(CRDS, "POST", made)
        old = WIDGETS.format("v1alpha1")
        found = await ask(old, "POST", widget(version="v1alpha1", size=1))
        assert found["apiVersion"] == "example.com/v1alpha1"
        assert found["warnings"] == ['299 - "example.com/v1alpha1 Widget is deprecated; use example.com/v1 Widget"']
        assert (await ask(f"{V1}/w"))["apiVersion"] == "example.com/v1"
        assert (await ask(WIDGETS.format("v1beta1")))["http"] == 404
        assert (await ask("/apis/example.com"))["preferredVersion"]["version"] == "v1"

    run(cluster, test)


def test_a_changed_schema_counts_from_the_next_request_on(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(CRDS, "POST", crd())
        await ask(V1, "POST", widget(size=1, color="green"))
        spec = deepcopy(SPEC)
        spec["properties"]["shape"] = {"type": "string", "default": "round"}
        spec["properties"]["color"]["enum"] = ["red"]
        changed = await ask(f"{CRDS}/widgets.example.com", "PATCH", {"spec": crd(spec)["spec"]}, MERGE)
        assert changed["http"] == 200
        assert (await ask(f"{V1}/w"))["spec"]["shape"] == "round"  # defaults are read, too
        assert (await ask(V1))["items"][0]["spec"]["shape"] == "round"
        # What was right and is not any more may stay (KEP-4008), but not be new.
        assert (await ask(f"{V1}/w", "PATCH", {"spec": {"size": 2}}, MERGE))["http"] == 200
        assert (await ask(V1, "POST", widget("x", size=1, color="green")))["http"] == 422

    run(cluster, test)


def test_names_that_belong_to_another(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(CRDS, "POST", crd())
        other = crd()
        other["metadata"]["name"] = "gadgets.example.com"
        other["spec"]["names"] = {"kind": "Widget", "plural": "gadgets", "shortNames": ["wd"]}
        found = await ask(CRDS, "POST", other)
        conditions = {each["type"]: each for each in found["status"]["conditions"]}
        assert conditions["NamesAccepted"]["status"] == conditions["Established"]["status"] == "False"
        assert conditions["NamesAccepted"]["reason"] == "ListKindConflict"
        assert conditions["NamesAccepted"]["message"] == '"WidgetList" is already in use'
        assert conditions["Established"]["message"] == "not all names are accepted"
        assert (await ask("/apis/example.com/v1/namespaces/default/gadgets"))["http"] == 404

    run(cluster, test)


def test_a_definition_goes_with_its_objects(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask(CRDS, "POST", crd())
        await ask(V1, "POST", widget(size=1))
        gone = await ask(f"{CRDS}/widgets.example.com", "DELETE")
        assert gone["metadata"]["finalizers"] == ["customresourcecleanup.apiextensions.k8s.io"]
        async with asyncio.timeout(10):
            while (await ask(f"{CRDS}/widgets.example.com"))["http"] != 404:
                await asyncio.sleep(0.01)
        assert (await ask(V1))["http"] == 404
        await ask(CRDS, "POST", crd())
        assert (await ask(V1))["items"] == []

    run(cluster, test)


@pytest.mark.parametrize("served", [True, False])
def test_a_restart_keeps_what_is_served(cluster: Cluster, served: bool) -> None:
    async def first(ask: Asker) -> None:
        await ask(CRDS, "POST", crd())
        await ask(V1, "POST", widget(size=1))
        if not served:
            patch = {"spec": {"versions": [{**crd()["spec"]["versions"][0], "served": False}]}}
            await ask(f"{CRDS}/widgets.example.com", "PATCH", patch, MERGE)
        ask.api.store.close()

    run(cluster, first)
    api = cluster.open()
    assert bool(api.resources.stored(("example.com", "widgets"))) is served


@pytest.mark.parametrize(
    ("schema", "said"),
    [
        (
            {"type": "object", "properties": {"a": {"type": "string", "maxLength": "x"}}},
            "json: cannot unmarshal string into Go struct field "
            "JSONSchemaProps.spec.versions.schema.openAPIV3Schema.properties.a.maxLength of type int64",
        ),
        ({"type": "object", "required": "a"}, "openAPIV3Schema.required of type []string"),
        ({"type": "object", "properties": []}, "cannot unmarshal array into Go struct field JSONSchemaProps."),
    ],
)
def test_a_schema_that_is_none(cluster: Cluster, schema: Raw, said: str) -> None:
    async def test(ask: Asker) -> None:
        answer = await ask(CRDS, "POST", crd(schema={"openAPIV3Schema": schema}))
        assert (answer["http"], answer["reason"]) == (400, "BadRequest")
        assert said in answer["message"]

    run(cluster, test)
