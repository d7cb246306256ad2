"""The OpenAPI 2 form of a document: the same schemas, in the words of that version.

Source: https://github.com/OAI/OpenAPI-Specification/blob/main/versions/2.0.md and k8s.io/kube-openapi/pkg/openapiconv
"""

from __future__ import annotations

from typing import Any

from sealane.kube.objects import Raw

_METHODS = ("get", "put", "post", "delete", "patch")
_DROPPED = frozenset({"nullable", "anyOf", "oneOf", "not"})


def as_swagger(document: Raw, info: Raw) -> Raw:
    definitions = {name: _schema(each) for name, each in document["components"]["schemas"].items()}
    paths = {path: _path(each) for path, each in document["paths"].items()}
    bearer = {"BearerToken": {"type": "apiKey", "name": "authorization", "in": "header"}}
    return {
        "swagger": "2.0",
        "info": info,
        "paths": paths,
        "definitions": definitions,
        "securityDefinitions": bearer,
        "security": [{"BearerToken": []}],
    }


def _schema(found: Any) -> Any:
    """References go to definitions; what is an integer or a string is called a string."""
    if isinstance(found, list):
        return [_schema(each) for each in found]
    if not isinstance(found, dict):
        return found
    if found.get("x-kubernetes-int-or-string") or found.get("format") == "int-or-string":
        kept = {key: value for key, value in found.items() if key not in _DROPPED | {"type", "format"}}
        return {**kept, "type": "string", "format": "int-or-string"}
    if "oneOf" in found and "type" not in found:
        found = {**found, "type": "string"}
    made: Raw = {}
    for key, value in found.items():
        if key == "$ref":
            made[key] = value.replace("#/components/schemas/", "#/definitions/")
        elif key == "allOf" and len(value) == 1 and set(value[0]) == {"$ref"}:
            made |= _schema(value[0])
        elif key in ("properties", "x-kubernetes-validations") or key not in _DROPPED:
            made[key] = {name: _schema(each) for name, each in value.items()} if key == "properties" else _schema(value)
    return made


def _path(found: Raw) -> Raw:
    made: Raw = {"parameters": [_parameter(each) for each in found.get("parameters") or ()]}
    return made | {method: _operation(found[method]) for method in _METHODS if method in found}


def _operation(found: Raw) -> Raw:
    body = found.get("requestBody")
    parameters = [_parameter(each) for each in found["parameters"]]
    made = {key: value for key, value in found.items() if key not in ("requestBody", "parameters", "responses")}
    if body is not None:
        first = next(iter(body["content"].values()))
        parameters.append({"name": "body", "in": "body", "required": True, "schema": _schema(first["schema"])})
        made["consumes"] = list(body["content"])
    answers = {}
    for code, answer in found["responses"].items():
        content = answer.get("content")
        schema = {"schema": _schema(content["application/json"]["schema"])} if content else {}
        answers[code] = {"description": answer["description"], **schema}
    return {**made, "parameters": parameters, "responses": answers, "produces": ["application/json"]}


def _parameter(found: Raw) -> Raw:
    rest = {key: value for key, value in found.items() if key != "schema"}
    return {**rest, "type": found["schema"]["type"], "uniqueItems": True}
