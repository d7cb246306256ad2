"""CustomResourceDefinitions: which can be served, and what the server itself writes into them.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/ and
apiextensions.k8s.io/v1 in the API reference
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sealane.apiserver.errors import immutable, invalid
from sealane.apiserver.metadata import timestamp
from sealane.kube.kinds import CRD
from sealane.kube.objects import Raw

Cause = tuple[str, str, str]

CUSTOM_RESOURCES = "customresourcecleanup.apiextensions.k8s.io"
"""Finalizer of a CRD: its objects go before it does."""


def completed(crd: Raw) -> Raw:
    """With the names and the conversion that it leaves out. Raises ApiError 422 when it could not be served."""
    causes = list(_problems(crd))
    if causes:
        raise invalid(CRD, crd["metadata"]["name"], *causes)
    spec = crd["spec"]
    return {**crd, "spec": {"conversion": {"strategy": "None"}, **spec, "names": _names(spec)}}


def established(crd: Raw) -> Raw:
    """The status of a new definition: it is served as soon as it is stored."""
    now = timestamp()
    conditions = [
        {"type": type_, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now}
        for type_, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    return {"conditions": conditions, "acceptedNames": crd["spec"]["names"], "storedVersions": _stored(crd, ())}


def followed(crd: Raw, old: Raw) -> Raw:
    """The status after a change: names and stored versions follow."""
    status = old.get("status") or {}
    stored = _stored(crd, status.get("storedVersions") or ())
    return {**status, "acceptedNames": crd["spec"]["names"], "storedVersions": stored}


def check_change(new: Raw, old: Raw) -> None:
    """Raises ApiError 422: group, scope, kind and plural are what objects are stored under."""
    for path in (("group",), ("scope",), ("names", "kind"), ("names", "plural")):
        was, now = _at(old["spec"], path), _at(new["spec"], path)
        if was != now:
            raise immutable(CRD, new["metadata"]["name"], ".".join(("spec", *path)), now)


def _names(spec: Raw) -> Raw:
    names: Raw = spec["names"]
    return {"singular": names["kind"].lower(), "listKind": f"{names['kind']}List", **names}


def _stored(crd: Raw, before: Any) -> list[str]:
    now = [version["name"] for version in crd["spec"]["versions"] if version.get("storage")]
    return [*before, *(name for name in now if name not in before)]


def _problems(crd: Raw) -> Iterator[Cause]:
    spec, name = crd.get("spec") or {}, crd["metadata"]["name"]
    names = spec.get("names") or {}
    group, plural = spec.get("group"), names.get("plural")
    for field, value in (("group", group), ("names.plural", plural), ("names.kind", names.get("kind"))):
        if not value or not isinstance(value, str):
            yield (f"spec.{field}", "FieldValueRequired", "Required value")
    if group and plural and name != f"{plural}.{group}":
        yield (
            "metadata.name",
            "FieldValueInvalid",
            f'Invalid value: "{name}": must be spec.names.plural+"."+spec.group',
        )
    scope = spec.get("scope")
    if scope not in ("Cluster", "Namespaced"):
        why = f'Unsupported value: "{scope or ""}": supported values: "Cluster", "Namespaced"'
        yield ("spec.scope", "FieldValueNotSupported", why)
    versions = spec.get("versions")
    if not versions or not isinstance(versions, list):
        yield ("spec.versions", "FieldValueRequired", "Required value")
        return
    seen: set[str] = set()
    for index, version in enumerate(versions):
        field = f"spec.versions[{index}]"
        if not isinstance(version, Mapping):
            yield (field, "FieldValueInvalid", "Invalid value: must be an object")
            return
        label = version.get("name")
        if not label or not isinstance(label, str):
            yield (f"{field}.name", "FieldValueRequired", "Required value")
        elif label in seen:
            yield (f"{field}.name", "FieldValueDuplicate", f'Duplicate value: "{label}"')
        else:
            seen.add(label)
        if not (version.get("schema") or {}).get("openAPIV3Schema"):
            yield (f"{field}.schema.openAPIV3Schema", "FieldValueRequired", "Required value: schemas are required")
    if sum(bool(version.get("storage")) for version in versions) != 1:
        yield (
            "spec.versions",
            "FieldValueInvalid",
            "Invalid value: must have exactly one version marked as storage version",
        )


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    return value
