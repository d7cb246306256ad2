"""Validation: everything that is wrong with one object, as the Kubernetes API would say it.

The API server answers 400 or 422 with it, the command line shows it for files with file and line.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from sealane.kube import kinds, schema
from sealane.kube.checks.changes import at, immutable
from sealane.kube.checks.decoding import mistyped
from sealane.kube.checks.fields import check_fields
from sealane.kube.checks.metadata import check_metadata
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds.definition import Definition
from sealane.kube.kinds.table import definition
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem

__all__ = ["Problem", "as_api_error", "changes", "validate"]

_SCOPES = {(kind.group, kind.kind): kind.namespaced for kind in kinds.KNOWN}


def validate(raw: Raw, *, namespaced: bool | None = None, old: Raw | None = None) -> list[Problem]:
    """Every problem of an object, in the order of its fields; [] when the API would take it.

    A kind without a schema (a custom one) is checked in its metadata only; `namespaced` is then its scope, if known.
    old: what it replaces, in the same version.
    """
    obj = Part(raw)
    api_version, kind = obj.text("apiVersion"), obj.text("kind")
    group = api_version.rpartition("/")[0]
    found, row = schema.root(api_version, kind), definition(group, kind)
    problems: list[Problem] = []
    if found is not None:
        problems += check_fields(obj, found)
        if old is not None and row.required_once:
            spared = row.required_once
            problems = [each for each in problems if each.path not in spared or each.reason != "FieldValueRequired"]
    else:
        problems += _check_custom(obj)
    problems += check_metadata(obj, _SCOPES.get((group, kind), namespaced), row.names)
    if old is not None and row.rechecks is not None:
        problems += row.rechecks(obj, old)
    elif row.checks is not None:
        problems += row.checks(obj)
    return _distinct(problems)


def changes(row: Definition, new: Raw, old: Raw, subresource: str = "") -> list[Problem]:
    """What may not become of `old` when `subresource` is written ("": the object itself)."""
    obj, problems = Part(new), list[Problem]()
    for path in row.fixed if not subresource else ():
        was, part = at(old, path), obj
        for name in path:
            part = part[name]
        if was is not None and part.value != was:
            problems.append(immutable(part))
    rule = row.changes.get(subresource)
    if rule is not None:
        problems += rule(obj, old)
    return problems


def dropped_problems(raw: Raw) -> list[Problem]:
    """The errors of a status that is dropped, as a new object's: what it takes to decode it, unknown fields and types.

    Source: k8s.io/apiserver/pkg/endpoints/handlers/create.go, which decodes before it prepares
    """
    found = schema.child(schema.root(str(raw.get("apiVersion") or ""), str(raw.get("kind") or "")), "status")
    if found is None or not isinstance(raw.get("status"), dict):
        return []
    return [each for each in check_fields(Part(raw)["status"], found) if each.undecodable]


def as_api_error(raw: Raw, problems: Sequence[Problem]) -> ApiError:
    """The API's answer to an object with these problems: 400 when it cannot be decoded, else 422 with all causes."""
    obj = Part(raw)
    api_version, kind, name = obj.text("apiVersion"), obj.text("kind"), obj["metadata"].text("name")
    undecodable = [each for each in problems if each.undecodable]
    if undecodable:
        version = api_version.rpartition("/")[2]
        wrong = next((each for each in undecodable if each.reason == "FieldTypeInvalid"), None)
        if wrong is not None:  # decoding ends with the first
            why = mistyped(api_version, kind, wrong)
        else:
            why = "strict decoding error: " + ", ".join(f'unknown field "{each.field}"' for each in undecodable)
        return ApiError(400, "BadRequest", f'{kind} in version "{version}" cannot be handled as a {kind}: {why}')
    group = api_version.rpartition("/")[0]
    texts = [str(each) for each in problems]
    listed = texts[0] if len(texts) == 1 else f"[{', '.join(texts)}]"
    details: dict[str, Any] = {
        "name": name,
        "group": group,
        "kind": kind,
        "causes": [{"reason": each.reason, "message": each.message, "field": each.field} for each in problems],
    }
    title = f"{kind}.{group}" if group else kind
    return ApiError(422, "Invalid", f'{title} "{name}" is invalid: {listed}', details)


def _check_custom(obj: Part) -> Iterator[Problem]:
    metadata = obj["metadata"]
    if metadata.present:
        yield from check_fields(metadata, schema.named("meta.v1.ObjectMeta"))


def _distinct(problems: Iterable[Problem]) -> list[Problem]:
    """Without what two checks found alike: one problem of one reason for a field, the first."""
    seen: dict[tuple[Any, ...], Problem] = {}
    for each in problems:
        what = each.reason if each.reason == "FieldValueRequired" else each.message
        seen.setdefault((each.path, what), each)
    return list(seen.values())
