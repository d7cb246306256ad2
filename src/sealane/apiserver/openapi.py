"""OpenAPI documents: which kinds can be written how. kubectl reads them to learn that the server checks fields itself.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3
"""

from __future__ import annotations

from typing import Any

from sealane.apiserver.resources import Resources, Served
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
            schemas[name] = _schema(served)
            paths |= _paths(served, name)
    return {"openapi": "3.0.0", "info": _INFO, "paths": paths, "components": {"schemas": schemas}}


def _prefix(served: Served) -> str:
    kind = served.kind
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"


def schema_name(served: Served) -> str:
    """ "io.k8s.api.core.v1.Pod" for Kubernetes' own kinds, reversed group otherwise."""
    kind = served.kind
    if "." not in kind.group:
        return f"io.k8s.api.{kind.group or 'core'}.{kind.version}.{kind.kind}"
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def _named(served: Served) -> Raw:
    return {"group": served.kind.group, "version": served.kind.version, "kind": served.kind.kind}


def _schema(served: Served) -> Raw:
    return {
        "type": "object",
        "properties": {
            "apiVersion": {"type": "string"},
            "kind": {"type": "string"},
            "metadata": {"type": "object"},
            "spec": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
            "status": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
        },
        "x-kubernetes-group-version-kind": [_named(served)],
    }


def _paths(served: Served, name: str) -> Raw:
    reference = {"$ref": f"#/components/schemas/{name}"}
    body = {"application/json": {"schema": reference}}
    parameters = [{"name": each, "in": "query", "schema": {"type": "string", "uniqueItems": True}} for each in _WRITES]

    def operation(action: str, media: Any) -> Raw:
        return {
            "operationId": f"{action}{served.kind.version}{served.kind.kind}",
            "parameters": parameters,
            "requestBody": {"content": media, "required": True},
            "responses": {"200": {"description": "OK", "content": body}},
            "x-kubernetes-action": action,
            "x-kubernetes-group-version-kind": _named(served),
        }

    collection = served.kind.path("{namespace}")
    return {
        collection: {"post": operation("post", body)},
        f"{collection}/{{name}}": {
            "put": operation("put", body),
            "patch": operation("patch", {media: {"schema": {"type": "object"}} for media in _PATCHES}),
        },
    }
