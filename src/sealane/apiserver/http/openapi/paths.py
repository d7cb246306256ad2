"""The paths of a kind: every verb, with its parameters, bodies and answers.

Source: the API reference, https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

from typing import Any

from sealane.apiserver.http.openapi.schemas import name_of
from sealane.apiserver.registry.resources import Served
from sealane.kube.objects import Raw

_WRITES = {
    "dryRun": "All: the request is carried out but for storing.",
    "fieldManager": "Who makes the change, for metadata.managedFields.",
    "fieldValidation": "What becomes of unknown fields: Ignore, Warn or Strict.",
}
_LISTS = {
    "labelSelector": "Only objects with these labels.",
    "fieldSelector": "Only objects whose fields have these values.",
    "continue": "The token of the page before.",
    "resourceVersion": "Of which state, or from which on.",
    "resourceVersionMatch": "How resourceVersion is meant.",
}
_DELETES = {
    "dryRun": "All: the request is carried out but for storing.",
    "propagationPolicy": "What becomes of dependents: Orphan, Background or Foreground.",
}
_PATCHES = ("application/apply-patch+yaml", "application/json-patch+json", "application/merge-patch+json")
_STRATEGIC = "application/strategic-merge-patch+json"
_ACTIONS = {"get": "get", "put": "put", "patch": "patch", "delete": "delete", "post": "post"}


def paths(served: Served) -> Raw:
    kind = served.kind
    reference = {"$ref": f"#/components/schemas/{name_of(served)}"}
    prefix, _, list_name = name_of(served).rpartition(".")
    listing = {"$ref": f"#/components/schemas/{prefix}.{served.list_kind or f'{list_name}List'}"}
    body = {"content": {"application/json": {"schema": reference}}, "required": True}
    media = (*_PATCHES, *(() if served.custom else (_STRATEGIC,)))
    patch = {"content": {each: {"schema": {"type": "object"}} for each in media}, "required": True}
    collection = kind.path("{namespace}")
    named = [_in_path("namespace")] if kind.namespaced else []
    lists = [*_queries(_LISTS), _query("limit", "At most so many objects a page.", "integer")]
    watch = [_query("watch", "Changes as they come.", "boolean"), _query("timeoutSeconds", "For how long.", "integer")]
    made: Raw = {
        collection: {
            "parameters": named,
            "get": _operation(served, "list", [*lists, *watch], listing),
            "post": _operation(served, "post", _queries(_WRITES), reference, body),
            "delete": _operation(served, "deletecollection", [*lists, *_queries(_DELETES)], {"type": "object"}),
        }
    }
    one = [*named, _in_path("name")]
    for subresource in ("", *(each for each in kind.subresources if each in ("status", "scale"))):
        answer, sent = (reference, body) if subresource != "scale" else ({"type": "object"}, patch | {"content": {}})
        if subresource == "scale":
            sent = {"content": {"application/json": {"schema": {"type": "object"}}}, "required": True}
        path = f"{collection}/{{name}}{f'/{subresource}' if subresource else ''}"
        made[path] = {
            "parameters": one,
            "get": _operation(served, "get", [], answer, part=subresource),
            "put": _operation(served, "put", _queries(_WRITES), answer, sent, subresource),
            "patch": _operation(
                served, "patch", [*_queries(_WRITES), _query("force", "Take fields from others.", "boolean")],
                answer, patch, subresource,
            ),
        }  # fmt: skip
    made[f"{collection}/{{name}}"]["delete"] = _operation(served, "delete", _queries(_DELETES), {"type": "object"})
    return made


def _operation(
    served: Served, action: str, parameters: list[Raw], answer: Raw, body: Raw | None = None, part: str = ""
) -> Raw:
    kind = served.kind
    group = "".join(word.capitalize() for word in (kind.group or "core").split(".")[:1])
    name = f"{action}{group}{kind.version.capitalize()}{kind.kind}{part.capitalize()}"
    content = {"application/json": {"schema": answer}}
    codes = {"post": ("200", "201", "202"), "patch": ("200", "201"), "put": ("200", "201")}.get(action, ("200",))
    made: Raw = {
        "description": f"{action} {kind.kind}{f' {part}' if part else ''}",
        "operationId": name,
        "parameters": parameters,
        "responses": {
            **{code: {"description": {"200": "OK", "201": "Created", "202": "Accepted"}[code], "content": content}
               for code in codes},
            "401": {"description": "Unauthorized"},
        },
        "tags": [f"{group.lower()}_{kind.version}"],
        "x-kubernetes-action": _ACTIONS.get(action, action),
        "x-kubernetes-group-version-kind": {"group": kind.group, "version": kind.version, "kind": kind.kind},
    }  # fmt: skip
    return {**made, "requestBody": body} if body is not None else made


def _in_path(name: str) -> Raw:
    text = {"name": "Of the object.", "namespace": "That the object is in."}[name]
    return {"name": name, "in": "path", "required": True, "description": text, "schema": {"type": "string"}}


def _queries(found: dict[str, str]) -> list[Raw]:
    return [_query(name, text) for name, text in found.items()]


def _query(name: str, text: str, type_: str = "string") -> Raw:
    value: dict[str, Any] = {"type": type_, "uniqueItems": True}
    return {"name": name, "in": "query", "description": text, "schema": value}
