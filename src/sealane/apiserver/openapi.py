"""OpenAPI documents, made of the schemas that validation uses.

kubectl reads them for `explain`, and to learn that the server checks fields itself.
Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3
"""

from __future__ import annotations

from typing import Any

from sealane.apiserver.resources import Resources, Served
from sealane.kube import schema
from sealane.kube.objects import Raw

_INFO = {"title": "Kubernetes", "version": "v1.34.0+sealane"}
_WRITES = ("dryRun", "fieldManager", "fieldValidation")
_PATCHES = ("application/json-patch+json", "application/merge-patch+json", "application/apply-patch+yaml")


def document(path: str, resources: Resources) -> Raw | None:
    """The document at `path`; None when there is none."""
    if path == "/openapi/v2":
        return {"swagger": "2.0", "info": _INFO, "paths": {}, "definitions": {}}
    groups = {_prefix(served): served.kind for served in resources.all()}
    if path == "/openapi/v3":
        return {
            "paths": {
                prefix: {"serverRelativeURL": f"/openapi/v3/{prefix}?hash={resources.version}"} for prefix in groups
            }
        }
    prefix = path.removeprefix("/openapi/v3/")
    if prefix not in groups:
        return None
    paths: Raw = {}
    schemas: Raw = {}
    for served in resources.all():
        if _prefix(served) == prefix:
            name = schema_name(served)
            schemas |= _schemas(served, name)
            paths |= _paths(served, name)
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}}


def _prefix(served: Served) -> str:
    kind = served.kind
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def schema_name(served: Served) -> str:
    """ "io.k8s.api.core.v1.Pod" for kinds with a schema of their own, the reversed group for custom ones."""
    kind = served.kind
    found = schema.root(kind.api_version, kind.kind)
    if found is not None:
        return _component(found.name)
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _component(type_name: str) -> str:
    return f"io.k8s.api.{type_name}"


def _schemas(served: Served, name: str) -> Raw:
    """The schema of a kind and of every type in it."""
    named = {"group": served.kind.group, "version": served.kind.version, "kind": served.kind.kind}
    extension = {"x-kubernetes-group-version-kind": [named]}
    root = schema.root(served.kind.api_version, served.kind.kind)
    if root is None:
        anything = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
        identity = {"apiVersion": {"type": "string"}, "kind": {"type": "string"}, "metadata": {"type": "object"}}
        return {name: {"type": "object", "properties": {**identity, "spec": anything, "status": anything}} | extension}
    found: Raw = {}
    queue = [root.name]
    while queue:
        type_ = schema.named(queue.pop())
        component = _component(type_.name)
        if component in found:
            continue
        properties = {each.name: _property(each) for each in type_.fields.values()}
        found[component] = {"type": "object", "properties": properties}
        if type_.required:
            found[component]["required"] = list(type_.required)
        queue += [each.element for each in type_.fields.values() if each.element not in schema.PLAIN]
    found[name] |= extension
    return found


_PLAIN: dict[str, Raw] = {
    "string": {"type": "string"},
    "integer": {"type": "integer", "format": "int64"},
    "number": {"type": "number", "format": "double"},
    "boolean": {"type": "boolean"},
    "bytes": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "quantity": {"oneOf": [{"type": "string"}, {"type": "number"}]},
    "int-or-string": {"format": "int-or-string", "oneOf": [{"type": "integer"}, {"type": "string"}]},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}


def _property(fact: schema.Field) -> Raw:
    plain = _PLAIN.get(fact.element)
    found: Raw = dict(plain) if plain is not None else {"$ref": f"#/components/schemas/{_component(fact.element)}"}
    if fact.enum:
        found["enum"] = list(fact.enum)
    rest = fact.type[: len(fact.type) - len(fact.element)]
    while rest:  # "[]{}X" is a list of maps of X: the innermost comes last
        found = {"type": "array", "items": found} if rest.endswith("[]") else _map(found)
        rest = rest[:-2]
    if fact.default is not None and "$ref" not in found:
        found["default"] = fact.default
    return found


def _map(value: Raw) -> Raw:
    return {"type": "object", "additionalProperties": value}


def _paths(served: Served, name: str) -> Raw:
    reference = {"$ref": f"#/components/schemas/{name}"}
    body = {"application/json": {"schema": reference}}
    named = {"group": served.kind.group, "version": served.kind.version, "kind": served.kind.kind}
    parameters = [{"name": each, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for each in _WRITES]

    def operation(action: str, media: Any) -> Raw:
        return {
            "operationId": f"{action}{served.kind.version}{served.kind.kind}",
            "parameters": parameters,
            "requestBody": {"content": media, "required": True},
            "responses": {"200": {"description": "OK", "content": body}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": named,
        }

    collection = served.kind.path("{namespace}")
    return {
        collection: {"post": operation("post", body)},
        f"{collection}/{{name}}": {
            "put": operation("put", body),
            "patch": operation("patch", {media: {"schema": {"type": "object"}} for media in _PATCHES}),
        },
    }
