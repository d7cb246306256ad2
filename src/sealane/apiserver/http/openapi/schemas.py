"""Schemas of kinds, in the form of OpenAPI 3.

Source: k8s.io/kube-openapi/pkg/builder3 and, for custom kinds, k8s.io/apiextensions-apiserver/pkg/controller/openapi
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sealane.apiserver.http.openapi.descriptions import of_field, of_type
from sealane.apiserver.registry.resources import Served
from sealane.kube import schema
from sealane.kube.objects import Raw

OBJECT_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta"
_PACKAGES = {
    "meta": "io.k8s.apimachinery.pkg.apis.meta",
    "apiextensions": "io.k8s.apiextensions-apiserver.pkg.apis.apiextensions",
    "apiregistration": "io.k8s.kube-aggregator.pkg.apis.apiregistration",
    "gateway": "io.k8s.networking.gateway",
}
_IDENTITY = {
    "apiVersion": "Group and version of the schema that this object is written in.",
    "kind": "What this object is; it cannot change.",
}

_PLAIN: Mapping[str, Raw] = {
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


def component(type_name: str) -> str:
    """ "core.v1.Pod" -> "io.k8s.api.core.v1.Pod"."""
    package, _, rest = type_name.partition(".")
    return f"{_PACKAGES.get(package, f'io.k8s.api.{package}')}.{rest}"


def name_of(served: Served) -> str:
    """The component of a kind: for custom ones the reversed group, version and kind."""
    kind = served.kind
    found = None if served.custom else schema.root(kind.api_version, kind.kind)
    if found is not None:
        return component(found.name)
    return ".".join([*reversed(kind.group.split(".")), kind.version, kind.kind])


def schemas(served: Served) -> Raw:
    """The schema of a kind and of every type in it, by component."""
    kind, name = served.kind, name_of(served)
    extension = {"x-kubernetes-group-version-kind": [{"group": kind.group, "version": kind.version, "kind": kind.kind}]}
    if not served.by_facts:
        custom = _custom(served.schema.schema if served.schema is not None else {})
        return {name: custom | extension, **types("meta.v1.ObjectMeta")}
    root = schema.root(kind.api_version, kind.kind)
    if root is None:
        return {name: _custom({}) | extension, **types("meta.v1.ObjectMeta")}
    found = types(root.name)
    found[name] = {**found.pop(component(root.name)), **extension}
    return found


def listed(served: Served) -> Raw:
    """The schema of the kind's list."""
    kind, name = served.kind, name_of(served)
    list_kind = served.list_kind or f"{kind.kind}List"
    items = {"type": "array", "description": f"Objects of kind {kind.kind}.", "items": _reference(name)}
    metadata = {"description": "Of the list: its version and how it goes on.", "allOf": [_reference(_LIST_META)]}
    identity = {field: {"type": "string", "description": text} for field, text in _IDENTITY.items()}
    made: Raw = {
        "description": f"A list of {kind.kind}.",
        "type": "object",
        "required": ["items"],
        "properties": {**identity, "items": items, "metadata": metadata},
        "x-kubernetes-group-version-kind": [{"group": kind.group, "version": kind.version, "kind": list_kind}],
    }
    prefix = name.rpartition(".")[0]
    return {f"{prefix}.{list_kind}": made, _LIST_META: _LIST_META_SCHEMA}


_LIST_META = "io.k8s.apimachinery.pkg.apis.meta.v1.ListMeta"
_LIST_META_SCHEMA: Raw = {
    "description": "What a list says of itself.",
    "type": "object",
    "properties": {
        "continue": {"type": "string", "description": "Set when there is more: give it to get the next page."},
        "remainingItemCount": {"type": "integer", "format": "int64", "description": "How many objects are to come."},
        "resourceVersion": {"type": "string", "description": "The state that the list is of."},
        "selfLink": {"type": "string", "description": "Not filled in any more."},
    },
}


def types(name: str) -> Raw:
    """The schemas of a type and of every type in it, by component."""
    found: Raw = {}
    queue = [name]
    while queue:
        type_ = schema.named(queue.pop())
        if component(type_.name) in found:
            continue
        properties = {each.name: _property(type_.name, each) for each in type_.fields.values()}
        made: Raw = {"description": of_type(type_.name), "type": "object", "properties": properties}
        if type_.required:
            made["required"] = list(type_.required)
        found[component(type_.name)] = made
        queue += [each.element for each in type_.fields.values() if each.element not in schema.PLAIN]
    return found


def _reference(name: str) -> Raw:
    return {"$ref": f"#/components/schemas/{name}"}


def _property(owner: str, fact: schema.Field) -> Raw:
    plain = _PLAIN.get(fact.element)
    inner: Raw = dict(plain) if plain is not None else _reference(component(fact.element))
    inner |= _limits(fact)
    nesting = fact.type[: len(fact.type) - len(fact.element)]
    found = inner
    while nesting:  # "[]{}X" is a list of maps of X: the innermost comes last
        array = nesting.endswith("[]")
        found = {"type": "array", "items": found} if array else {"type": "object", "additionalProperties": found}
        nesting = nesting[:-2]
    if "$ref" in found:
        found = {"allOf": [found]}
    found = {"description": of_field(owner, fact), **found, **dict(_extensions(fact))}
    if fact.default is not None:
        found["default"] = fact.default
    return found


def _limits(fact: schema.Field) -> Raw:
    pattern = fact.pattern.pattern if fact.pattern is not None else None
    limits = {
        "enum": list(fact.enum) or None,
        "pattern": pattern,
        "minimum": fact.minimum,
        "maximum": fact.maximum,
        "minLength": fact.min_length,
        "maxLength": fact.max_length,
    }
    return {key: value for key, value in limits.items() if value is not None}


def _extensions(fact: schema.Field) -> Iterator[tuple[str, Any]]:
    if fact.min_items is not None:
        yield "minItems", fact.min_items
    if fact.max_items is not None:
        yield "maxItems", fact.max_items
    if fact.list_keys:
        yield "x-kubernetes-list-map-keys", list(fact.list_keys)
        yield "x-kubernetes-list-type", "map"
    elif fact.list_type:
        yield "x-kubernetes-list-type", fact.list_type
    if fact.merge_key is not None:
        if fact.merge_key:
            yield "x-kubernetes-patch-merge-key", fact.merge_key
        yield "x-kubernetes-patch-strategy", "merge"


def _custom(found: Mapping[str, Any]) -> Raw:
    """A schema of a definition, with what every object has."""
    made = dict(found)
    properties = dict(found.get("properties") or {})
    for name, text in _IDENTITY.items():
        properties[name] = {"description": text, **(properties.get(name) or {}), "type": "string"}
    text = "Name, namespace, labels and what else every object has."
    properties["metadata"] = {"description": text, "allOf": [_reference(OBJECT_META)]}
    return {"type": "object", **made, "properties": properties}
