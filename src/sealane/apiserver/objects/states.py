"""The states of an object between a client's wish and the store: new ones, and those that replace others. Pure."""

from __future__ import annotations

from typing import Any

from sealane.apiserver import errors
from sealane.apiserver.clock import timestamp
from sealane.apiserver.objects.metadata import new_uid
from sealane.apiserver.registry.resources import Served
from sealane.kube.gotext import quoted
from sealane.kube.objects import Raw

_SERVERS = frozenset({"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"})
_KEPT = (*sorted(_SERVERS), "resourceVersion", "namespace", "generateName")


def new_metadata(raw: Raw) -> Raw:
    """The part of a new object's metadata that clients may write."""
    return {key: value for key, value in (raw.get("metadata") or {}).items() if key not in _SERVERS}


def born(served: Served, raw: Raw, metadata: Raw) -> Raw:
    """A new object, named and checked by its metadata, before admission."""
    metadata = {**metadata, "uid": new_uid(), "creationTimestamp": timestamp()}
    if served.definition.generation:
        metadata["generation"] = 1
    rest = {key: value for key, value in raw.items() if key not in ("apiVersion", "kind", "metadata")}
    return {"apiVersion": served.kind.api_version, "kind": served.kind.kind, "metadata": metadata, **rest}


def replacing(served: Served, old: Raw, new: Raw, subresource: str) -> Raw:
    """The object that replaces `old` when a client wants `new`: only what `subresource` is about changes.

    Raises ApiError 409 when `new` was made from another state, 422 when it names another object.
    """
    kind = served.kind
    was, now = old["metadata"], dict(new.get("metadata") or {})
    name = was["name"]
    if now.get("resourceVersion") and now["resourceVersion"] != was["resourceVersion"]:
        raise errors.modified(kind, name)
    if now.get("uid") and now["uid"] != was["uid"]:
        why = f"Precondition failed: UID in precondition: {now['uid']}, UID in object meta: {was['uid']}"
        raise errors.conflict(kind, name, why)
    for field in ("name", "namespace"):
        if now.get(field, was.get(field)) != was.get(field):
            raise errors.immutable(kind, name, f"metadata.{field}", now[field])
    if subresource == "status":
        if not served.has_status:
            raise errors.no_path()
        return _with_part(old, "status", new.get("status"))
    if subresource == "ephemeralcontainers":
        added = (new.get("spec") or {}).get("ephemeralContainers") or []
        return _with_part(old, "spec", {**old["spec"], "ephemeralContainers": added})
    if subresource == "approval":  # of a CertificateSigningRequest: only the decision
        conditions = (new.get("status") or {}).get("conditions") or []
        return _with_part(old, "status", {**(old.get("status") or {}), "conditions": conditions})
    if subresource == "finalize":
        finalizers = (new.get("spec") or {}).get("finalizers") or []
        return _with_part(old, "spec", {**(old.get("spec") or {}), "finalizers": finalizers})
    for field in _KEPT:
        if field in was:
            now[field] = was[field]
        else:
            now.pop(field, None)
    if "deletionTimestamp" in was:
        added = set(now.get("finalizers") or ()) - set(was.get("finalizers") or ())
        if added:
            why = "Forbidden: no new finalizers can be added if the object is being deleted, found new finalizers "
            why += f"[]string{{{', '.join(map(quoted, sorted(added)))}}}"
            raise errors.invalid(kind, name, ("metadata.finalizers", "FieldValueForbidden", why))
    new = {**new, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": now}
    return _with_part(new, "status", old.get("status")) if served.has_status else new


def counted(served: Served, old: Raw, new: Raw) -> Raw:
    """`new` with the next generation when it wants something else than `old`."""
    metadata = new["metadata"]
    if "generation" not in metadata or _desired(served, new) == _desired(served, old):
        return new
    return {**new, "metadata": {**metadata, "generation": metadata["generation"] + 1}}


def _with_part(raw: Raw, part: str, value: Any) -> Raw:
    raw = {key: each for key, each in raw.items() if key != part}
    if value is not None:
        raw[part] = value
    return raw


def _desired(served: Served, raw: Raw) -> Any:
    """The part of an object whose changes count as generations."""
    if served.custom:  # everything but the metadata, and the status where that is a subresource
        status = {"status"} if served.has_status else set()
        return {key: value for key, value in raw.items() if key not in {"metadata", "apiVersion", "kind"} | status}
    if "spec" in raw:
        return raw["spec"]
    return {key: value for key, value in raw.items() if key not in ("metadata", "status")}
