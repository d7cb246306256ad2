"""CustomResourceDefinitions that every cluster has from the start: Gateway API, network policy API.

Upstream defines these kinds by CustomResourceDefinition, and so does Sealane. definitions.json, made by tools/facts.py,
says what a definition says beside its schemas; these come from the facts of the kinds. The API server may check objects
of such a definition by the facts themselves, as it does for the built-in kinds (`is_ours`).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from importlib.resources import files
from typing import Any

import msgspec

from sealane.kube import schema
from sealane.kube.objects import Raw

_PLAIN: Mapping[str, Raw] = {
    "string": {"type": "string"},
    "integer": {"type": "integer"},
    "number": {"type": "number"},
    "boolean": {"type": "boolean"},
    "bytes": {"type": "string", "format": "byte"},
    "time": {"type": "string", "format": "date-time"},
    "quantity": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
    "int-or-string": {"anyOf": [{"type": "integer"}, {"type": "string"}], "x-kubernetes-int-or-string": True},
    "any": {"type": "object", "x-kubernetes-preserve-unknown-fields": True},
}
_LIMITS = {
    "minimum": "minimum",
    "maximum": "maximum",
    "min_length": "minLength",
    "max_length": "maxLength",
    "min_items": "minItems",
    "max_items": "maxItems",
}


class Version(msgspec.Struct, frozen=True):
    """One version of a definition. columns: as additionalPrinterColumns says them."""

    name: str
    served: bool
    storage: bool
    deprecated: bool = False
    columns: tuple[Raw, ...] = ()
    subresources: tuple[str, ...] = ()


class Definition(msgspec.Struct, frozen=True):
    """A CustomResourceDefinition without its schemas."""

    scope: str
    names: Raw
    annotations: dict[str, str]
    versions: tuple[Version, ...]
    labels: dict[str, str] = {}


@cache
def definitions() -> Mapping[str, Definition]:
    """By the name of the CustomResourceDefinition."""
    return msgspec.json.decode((files(__name__) / "definitions.json").read_bytes(), type=dict[str, Definition])


def objects() -> Iterator[Raw]:
    """The CustomResourceDefinitions, as a client would create them."""
    for name, each in definitions().items():
        yield {
            "apiVersion": "apiextensions.k8s.io/v1",
            "kind": "CustomResourceDefinition",
            "metadata": {
                "name": name,
                "annotations": dict(each.annotations),
                **({"labels": dict(each.labels)} if each.labels else {}),
            },
            "spec": spec_of(name),
        }


@cache
def spec_of(name: str) -> Raw:
    """The spec of one of the definitions, with its schemas. Raises KeyError when there is none of that name."""
    found = definitions()[name]
    group = name.partition(".")[2]
    return {
        "group": group,
        "scope": found.scope,
        "names": found.names,
        "conversion": {"strategy": "None"},
        "versions": [_version(group, str(found.names["kind"]), each) for each in found.versions],
    }


def is_ours(definition: Raw) -> bool:
    """Whether a CustomResourceDefinition says what the one of the start says: then the facts hold for its objects."""
    name = definition["metadata"]["name"]
    return name in definitions() and bool(definition.get("spec") == spec_of(name))


def _version(group: str, kind: str, version: Version) -> Raw:
    found: Raw = {
        "name": version.name,
        "served": version.served,
        "storage": version.storage,
        "schema": {"openAPIV3Schema": _structure(schema.root(f"{group}/{version.name}", kind))},
    }
    if version.deprecated:
        found["deprecated"] = True
    if version.columns:
        found["additionalPrinterColumns"] = [dict(column) for column in version.columns]
    if version.subresources:
        found["subresources"] = {each: {} for each in version.subresources}
    return found


def _structure(type_: schema.Type | None) -> Raw:
    """The structural schema of a type; each type in it stands where it is used."""
    assert type_ is not None
    found: Raw = {
        "type": "object",
        "properties": {
            name: {"type": "object"} if field.type == "meta.v1.ObjectMeta" else _property(field)
            for name, field in type_.fields.items()
        },
    }
    if type_.required:
        found["required"] = list(type_.required)
    return found


def _property(field: schema.Field) -> Raw:
    plain = _PLAIN.get(field.element)
    inner: Raw = dict(plain) if plain is not None else _structure(schema.named(field.element))
    if field.enum:
        inner["enum"] = list(field.enum)
    if field.pattern is not None:
        inner["pattern"] = field.pattern.pattern
    nesting = field.type[: len(field.type) - len(field.element)]
    found = inner
    while nesting:  # "[]{}X" is a list of maps of X: the innermost comes last
        found = (
            {"type": "array", "items": found}
            if nesting.endswith("[]")
            else {"type": "object", "additionalProperties": found}
        )
        nesting = nesting[:-2]
    found |= _extras(field)
    return found


def _extras(field: schema.Field) -> dict[str, Any]:
    extras = {word: getattr(field, name) for name, word in _LIMITS.items() if getattr(field, name) is not None}
    if field.default is not None:
        extras["default"] = field.default
    if field.list_keys:
        extras |= {"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": list(field.list_keys)}
    elif field.list_type:
        extras["x-kubernetes-list-type"] = field.list_type
    return extras
