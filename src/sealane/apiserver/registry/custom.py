"""Objects of custom kinds on their way into the store: decoded, pruned, defaulted and checked by their schema.

Source: k8s.io/apiextensions-apiserver/pkg/registry/customresource and k8s.io/apiextensions-apiserver/pkg/apiserver
"""

from __future__ import annotations

from collections.abc import Sequence

from sealane.apiserver.errors import bad_request, invalid
from sealane.apiserver.registry.resources import ScalePaths, Served
from sealane.apiserver.write import Write
from sealane.kube import schema
from sealane.kube.checks.fields import check_fields
from sealane.kube.checks.metadata import check_metadata
from sealane.kube.objects import Raw, without_nulls
from sealane.kube.problems import Part
from sealane.kube.structural.defaults import completed, with_defaults
from sealane.kube.structural.limits import Cause
from sealane.kube.structural.node import Node
from sealane.kube.structural.prune import pruned
from sealane.kube.structural.validate import status_causes, update_causes, validation_causes

_ANYTHING = Node.of({"type": "object", "x-kubernetes-preserve-unknown-fields": True})
_MOST_REPLICAS = 2**31 - 1
_GO_TYPES = {str: "string", float: "float64", bool: "bool", dict: "map[string]interface {}", list: "[]interface {}"}


def node_of(served: Served) -> Node:
    return served.schema.node if served.schema is not None else _ANYTHING


def decoded(served: Served, raw: Raw, options: Write) -> Raw:
    """`raw` without what its schema does not know and with the defaults. Raises ApiError 400.

    options.field_validation: "Strict" refuses unknown fields, "Warn" tells of them.
    """
    node = node_of(served)
    unknown: list[str] = []
    raw = {**raw, "metadata": _metadata(served, raw["metadata"], unknown)}
    raw = pruned(node, raw, unknown)
    if unknown and options.field_validation == "Strict":
        listed = ", ".join(f'unknown field "{each}"' for each in sorted(unknown))
        raise _undecodable(served, f"strict decoding error: {listed}")
    if options.field_validation == "Warn":
        for each in sorted(unknown):
            options.warn(f'unknown field "{each}"')
    kept: Raw = completed(node, raw)
    return kept


def defaulted(served: Served, raw: Raw) -> Raw:
    """An object as it was stored with the defaults that its schema has now."""
    found: Raw = with_defaults(node_of(served), raw)
    return found


def check_new(served: Served, raw: Raw) -> None:
    """Raises ApiError 422."""
    causes = _metadata_causes(served, raw) + validation_causes(node_of(served), raw)
    _refuse(served, raw, causes + _scale_causes(served.scale, raw))


def check_change(served: Served, raw: Raw, old: Raw, options: Write) -> None:
    """Raises ApiError 422."""
    warnings: list[str] = []
    causes = _metadata_causes(served, raw) + update_causes(node_of(served), raw, old, warnings)
    for each in warnings:
        options.warn(each)
    _refuse(served, raw, causes + _scale_causes(served.scale, raw))


def check_status(served: Served, raw: Raw, old: Raw, options: Write) -> None:
    """Raises ApiError 422."""
    warnings: list[str] = []
    causes = status_causes(node_of(served), raw, old, warnings)
    for each in warnings:
        options.warn(each)
    _refuse(served, raw, causes + _scale_causes(served.scale, raw))


def _refuse(served: Served, raw: Raw, causes: Sequence[Cause]) -> None:
    if causes:
        raise invalid(served.kind, raw["metadata"]["name"], *causes)


def _metadata(served: Served, metadata: Raw, unknown: list[str]) -> Raw:
    metadata = without_nulls(metadata)
    wrong = list(check_fields(Part(metadata, ("metadata",)), schema.named("meta.v1.ObjectMeta")))
    for each in wrong:
        if each.reason != "UnknownField":
            raise _undecodable(served, str(each))
    gone = {str(each.path[1]) for each in wrong if len(each.path) == 2}
    unknown += [each.field for each in wrong]
    return {key: value for key, value in metadata.items() if key not in gone} if gone else metadata


def _undecodable(served: Served, why: str) -> Exception:
    kind = served.kind
    return bad_request(f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: {why}')


def _metadata_causes(served: Served, raw: Raw) -> list[Cause]:
    found = check_metadata(Part(raw), served.kind.namespaced)
    return [(each.field, each.reason, each.message) for each in found]


def _scale_causes(paths: ScalePaths | None, raw: Raw) -> list[Cause]:
    """Checks the values that scale shows: a number of replicas, and a selector text."""
    if paths is None:
        return []
    causes: list[Cause] = []
    for path in (paths.replicas, paths.status_replicas):
        found, name = _at(raw, path), "." + ".".join(path)
        if found is None:
            continue
        if isinstance(found, bool) or not isinstance(found, int):
            why = (
                f"{name} accessor error: {found} is of the type {_GO_TYPES.get(type(found), 'object')}, expected int64"
            )
            causes.append((name, "FieldValueInvalid", f"Invalid value: 0: {why}"))
        elif found < 0:
            causes.append((name, "FieldValueInvalid", f"Invalid value: {found}: should be a non-negative integer"))
        elif found > _MOST_REPLICAS:
            why = f"should be less than or equal to {_MOST_REPLICAS}"
            causes.append((name, "FieldValueInvalid", f"Invalid value: {found}: {why}"))
    selector = _at(raw, paths.selector) if paths.selector else None
    if selector is not None and not isinstance(selector, str):
        name = "." + ".".join(paths.selector)
        causes.append((name, "FieldValueInvalid", f'Invalid value: "": {name} accessor error: expected string'))
    return causes


def _at(value: object, path: tuple[str, ...]) -> object:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value
