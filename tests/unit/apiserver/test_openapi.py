"""OpenAPI documents hold together, say what the kinds are, and follow custom ones."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from tests.unit.apiserver.test_changes import definition

from sealane.apiserver.encodings.wire import fields
from sealane.apiserver.http.openapi.descriptions import spoken
from sealane.apiserver.http.openapi.documents import document
from sealane.apiserver.http.openapi.gnostic import encode
from sealane.apiserver.registry.resources import Resources
from sealane.kube.objects import Object, Raw


def references(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for key, value in found.items():
            if key == "$ref" and isinstance(value, str):
                yield value
            yield from references(value)
    elif isinstance(found, list):
        for each in found:
            yield from references(each)


def got(path: str, resources: Resources | None = None) -> Raw:
    found = document(path, resources or Resources())
    assert found is not None
    return found


def test_every_reference_leads_somewhere() -> None:
    resources = Resources()
    for prefix in got("/openapi/v3", resources)["paths"]:
        found = got(f"/openapi/v3/{prefix}", resources)
        known = {f"#/components/schemas/{name}" for name in found["components"]["schemas"]}
        assert set(references(found)) <= known, prefix
    found = got("/openapi/v2", resources)
    assert set(references(found)) <= {f"#/definitions/{name}" for name in found["definitions"]}


def test_every_kind_has_a_schema_that_names_it() -> None:
    resources = Resources()
    for served in resources.all():
        kind = served.kind
        prefix = f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"
        schemas = got(f"/openapi/v3/{prefix}", resources)["components"]["schemas"]
        named = {"group": kind.group, "version": kind.version, "kind": kind.kind}
        own = [each for each in schemas.values() if named in each.get("x-kubernetes-group-version-kind", ())]
        assert len(own) == 1, kind
        assert own[0]["properties"]["metadata"]


def test_what_fields_are() -> None:
    schemas = got("/openapi/v3/api/v1")["components"]["schemas"]
    ports = schemas["io.k8s.api.core.v1.ServiceSpec"]["properties"]["ports"]
    assert ports["x-kubernetes-list-map-keys"] == ["port", "protocol"]
    assert ports["x-kubernetes-patch-merge-key"] == "port"
    assert ports["items"] == {"$ref": "#/components/schemas/io.k8s.api.core.v1.ServicePort"}
    assert ports["description"] == "What the Service offers. Elements are told apart by port and protocol."
    port = schemas["io.k8s.api.core.v1.ServicePort"]
    assert port["required"] == ["port"]
    assert port["properties"]["targetPort"]["format"] == "int-or-string"
    two = got("/openapi/v2")["definitions"]["io.k8s.api.core.v1.ServicePort"]["properties"]["targetPort"]
    assert (two["type"], two["format"]) == ("string", "int-or-string")


def test_a_custom_kind_comes_with_its_schema_and_a_hash_of_its_own() -> None:
    resources = Resources()
    schema = {"type": "object", "properties": {"spec": {"type": "object", "description": "Its size and more."}}}
    raw = definition()
    raw["metadata"]["resourceVersion"] = "1"
    raw["spec"]["versions"][0]["schema"]["openAPIV3Schema"] = schema
    raw["status"] = {"conditions": [{"type": "Established", "status": "True"}], "acceptedNames": raw["spec"]["names"]}
    resources.define(Object(raw))
    schemas = got("/openapi/v3/apis/example.com/v1", resources)["components"]["schemas"]
    assert schemas["com.example.v1.Widget"]["properties"]["spec"]["description"] == "Its size and more."
    assert "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta" in schemas
    before = got("/openapi/v3", resources)["paths"]["apis/example.com/v1"]
    schema["properties"]["spec"]["description"] = "Other."  # type: ignore[index]
    assert got("/openapi/v3", resources)["paths"]["apis/example.com/v1"] != before
    resources.undefine(Object(raw))
    assert document("/openapi/v3/apis/example.com/v1", resources) is None


def test_the_protobuf_form_has_the_same_definitions() -> None:
    found = got("/openapi/v2")
    parts = dict(fields(encode(found)))
    assert parts[1] == b"2.0"
    names = [dict(fields(each))[1].decode() for _, each in fields(parts[9])]
    assert names == list(found["definitions"])


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("terminationGracePeriodSeconds", "Termination grace period seconds"),
        ("hostIPs", "Host IPs"),
        ("clusterIP", "Cluster IP"),
        ("ready", "Ready"),
    ],
)
def test_names_as_words(name: str, text: str) -> None:
    assert spoken(name) == text
