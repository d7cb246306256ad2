"""Admission: what the server adds to an object and what it refuses, before it is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from sealane.apiserver.errors import immutable, invalid
from sealane.apiserver.resources import Served
from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw

IMMUTABLE: Mapping[Kind, tuple[tuple[str, ...], ...]] = {
    kinds.DEPLOYMENT: (("spec", "selector"),),
    kinds.REPLICASET: (("spec", "selector"),),
    kinds.DAEMONSET: (("spec", "selector"),),
    kinds.STATEFULSET: (("spec", "selector"), ("spec", "serviceName"), ("spec", "podManagementPolicy")),
    kinds.SECRET: (("type",),),
    kinds.ENDPOINTSLICE: (("addressType",),),
    kinds.INGRESSCLASS: (("spec", "controller"),),
}


def mutate(served: Served, new: Raw, old: Raw | None) -> Raw:
    """`new` with what the server fills in. `old` is None for a create."""
    kind = served.kind
    if kind == kinds.SECRET:
        new = _secret(new)
    elif kind == kinds.NAMESPACE:
        new = _namespace(new)
    return new


def born_status(served: Served, raw: Raw) -> Raw:
    """A new object has the status that its kind begins with, whatever the client wrote."""
    kind = served.kind
    if kind == kinds.NODE or not served.has_status:
        return raw
    if kind == kinds.POD:
        return {**raw, "status": {"phase": "Pending", "qosClass": qos_class(raw.get("spec") or {})}}
    if kind == kinds.NAMESPACE:
        return {**raw, "status": {"phase": "Active"}}
    if kind in (kinds.SERVICE, kinds.INGRESS):
        return {**raw, "status": {"loadBalancer": {}}}
    if kind == kinds.CRD:
        return {**raw, "status": _established(raw)}
    if kind.group == "apps":
        return {**raw, "status": {"replicas": 0} if kind != kinds.DEPLOYMENT else {}}
    return {key: value for key, value in raw.items() if key != "status"}


def check_change(served: Served, new: Raw, old: Raw) -> None:
    """Raises ApiError 422 when a field changed that may not."""
    name = new["metadata"]["name"]
    for path in IMMUTABLE.get(served.kind, ()):
        was, now = _at(old, path), _at(new, path)
        if was != now and was is not None:
            raise immutable(served.kind, name, ".".join(path), now)
    if served.kind in (kinds.CONFIGMAP, kinds.SECRET) and old.get("immutable"):
        for field in ("data", "binaryData", "immutable"):
            if old.get(field) != new.get(field):
                why = "Forbidden: field is immutable when `immutable` is set"
                raise invalid(served.kind, name, (field, "FieldValueForbidden", why))


def qos_class(spec: Mapping[str, Any]) -> str:
    """Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-qos/"""
    containers = [*(spec.get("containers") or ()), *(spec.get("initContainers") or ())]
    asked = [container.get("resources") or {} for container in containers if isinstance(container, Mapping)]
    if not any(each.get("requests") or each.get("limits") for each in asked):
        return "BestEffort"
    for each in asked:
        limits, requests = each.get("limits") or {}, each.get("requests") or {}
        if any(not limits.get(name) or requests.get(name, limits[name]) != limits[name] for name in ("cpu", "memory")):
            return "Burstable"
    return "Guaranteed"


def _secret(raw: Raw) -> Raw:
    """stringData is written into data: https://kubernetes.io/docs/concepts/configuration/secret/#restrictions-names-data"""
    import base64

    plain = raw.get("stringData")
    raw = {key: value for key, value in raw.items() if key != "stringData"}
    if isinstance(plain, Mapping):
        data = {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
        raw["data"] = {**(raw.get("data") or {}), **data}
    raw.setdefault("type", "Opaque")
    return raw


def _namespace(raw: Raw) -> Raw:
    """https://kubernetes.io/docs/reference/labels-annotations-taints/#kubernetes-io-metadata-name"""
    metadata = raw["metadata"]
    labels = {**(metadata.get("labels") or {}), "kubernetes.io/metadata.name": metadata["name"]}
    spec = raw.get("spec") or {}
    if "deletionTimestamp" not in metadata:
        spec = {**spec, "finalizers": spec.get("finalizers") or ["kubernetes"]}
    return {**raw, "metadata": {**metadata, "labels": labels}, "spec": spec}


def _established(crd: Raw) -> Raw:
    from sealane.apiserver.metadata import timestamp

    spec = crd.get("spec") or {}
    names = dict(spec.get("names") or {})
    names.setdefault("singular", str(names.get("kind", "")).lower())
    names.setdefault("listKind", f"{names.get('kind', '')}List")
    now = timestamp()
    conditions = [
        {"type": type_, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now}
        for type_, reason, message in (
            ("NamesAccepted", "NoConflicts", "no conflicts found"),
            ("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        )
    ]
    stored = [version.get("name") for version in spec.get("versions") or () if version.get("storage")]
    return {"conditions": conditions, "acceptedNames": names, "storedVersions": stored}


def _at(raw: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        raw = raw.get(part) if isinstance(raw, Mapping) else None
    return raw
