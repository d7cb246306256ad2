"""The API itself: every verb as a coroutine, without HTTP.

A write is prepared and queued in one step on the event loop, so nothing comes between its checks and its place in the
order of versions; it is answered once it is on disk. Source of the semantics:
https://kubernetes.io/docs/reference/using-api/api-concepts/ and k8s.io/apiserver/pkg/registry/generic/registry
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from sealane.apiserver import admission, errors
from sealane.apiserver.metadata import check_envelope, check_name, generated_name, new_uid, timestamp, with_metadata
from sealane.apiserver.resources import Resources, Served
from sealane.apiserver.selection import Selection, select
from sealane.apiserver.store import Address, Event, Store, Stored, encode
from sealane.apiserver.watch import Hub, Watch
from sealane.kube import kinds
from sealane.kube.client import ApiError, PatchType
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object, Raw
from sealane.kube.patches import apply_patch

LogReader = Callable[[str, str, str, bool, int | None, bool], AsyncIterator[bytes]]
"""log_reader(namespace, pod, container, follow, tail, previous): what a container printed, in chunks."""

NAMESPACES = ("", "namespaces")
_GENERATED_TRIES = 8


@dataclass(frozen=True, slots=True)
class Write:
    """Options of a write. field_validation: "Strict", "Warn" or "Ignore". manager: who writes, for managedFields."""

    dry_run: bool = False
    field_validation: str = ""
    manager: str = ""
    force: bool = False


@dataclass(frozen=True, slots=True)
class Deletion:
    """meta/v1 DeleteOptions."""

    grace_seconds: int | None = None
    propagation: Literal["Background", "Foreground", "Orphan"] | None = None
    uid: str | None = None
    resource_version: str | None = None
    dry_run: bool = False


class Api:
    """Everything a cluster's API does with its `store`. Use it in one event loop."""

    def __init__(self, store: Store, log_reader: LogReader | None = None) -> None:
        self.store = store
        self.log_reader = log_reader
        self.resources = Resources()
        self.hub = Hub(store)
        for crd in store.items(("apiextensions.k8s.io", "customresourcedefinitions")):
            self.resources.define(crd.object)
        store.subscribe(self._committed)

    # Reading

    async def get(self, kind: Kind, namespace: str, name: str) -> Stored:
        served = self.resources.of(kind)
        found = self.store.get(served.resource, namespace if kind.namespaced else "", name)
        if found is None:
            raise errors.not_found(kind, name)
        return self.converted(served, found)

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[Sequence[Stored], int]:
        """The objects in the order of namespace and name, and the resourceVersion of this state."""
        served = self.resources.of(kind)
        selection = select(kind, namespace, labels, fields)
        return self.selected(served, selection), self.store.version

    def selected(self, served: Served, selection: Selection) -> Sequence[Stored]:
        items = self.store.items(served.resource, selection.namespace)
        if selection.narrow:
            items = (item for item in items if selection.matches(item.object))
        if served.kind == served.storage:
            return list(items)
        return [self.converted(served, item) for item in items]

    def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: int,
        labels: str = "",
        fields: str = "",
    ) -> Watch:
        """Raises ApiError 410 when resource_version is too old."""
        served = self.resources.of(kind)
        return self.hub.watch(served.resource, select(kind, namespace, labels, fields), resource_version)

    @staticmethod
    def converted(served: Served, stored: Stored) -> Stored:
        """In the version that was asked for: CRD conversion strategy None, which changes only apiVersion."""
        if stored.object.raw.get("apiVersion") == served.kind.api_version:
            return stored
        raw = {**stored.object.raw, "apiVersion": served.kind.api_version}
        return Stored(stored.version, Object(raw), encode(raw))

    # Writing

    async def create(self, kind: Kind, namespace: str, raw: Raw, options: Write = Write()) -> Stored:
        served = self.resources.of(kind)
        try:
            raw = self._new(served, namespace, raw, options)
            address = self._address(served, raw)
            return await self._put(served, address, None, raw, options)
        except ApiError:
            await self.store.flush()  # the state that refuses it is on disk when the client hears of it
            raise

    async def update(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        raw: Raw,
        *,
        subresource: str = "",
        options: Write = Write(),
    ) -> Stored:
        """Replaces the object, or the part of it that `subresource` is about."""
        served = self.resources.of(kind)
        try:
            check_envelope(kind, raw)
            named = (raw.get("metadata") or {}).get("name")
            if named != name:
                raise errors.bad_request(
                    f"the name of the object ({named}) does not match the name on the URL ({name})"
                )
            return await self._replace(served, namespace, name, lambda _old: raw, subresource, options)
        except ApiError:
            await self.store.flush()
            raise

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Any,
        *,
        type: PatchType = "merge",  # noqa: A002 - the API's own word
        subresource: str = "",
        options: Write = Write(),
    ) -> Stored:
        served = self.resources.of(kind)

        def patched(old: Raw) -> Raw:
            new = apply_patch(kind, old, patch, type)
            check_envelope(kind, new)
            return new

        try:
            return await self._replace(served, namespace, name, patched, subresource, options)
        except ApiError:
            await self.store.flush()
            raise

    async def _replace(
        self,
        served: Served,
        namespace: str,
        name: str,
        change: Callable[[Raw], Raw],
        subresource: str,
        options: Write,
    ) -> Stored:
        address = Address(served.resource, namespace if served.kind.namespaced else "", name)
        old = self.store.head(*address)
        if old is None:
            raise errors.not_found(served.kind, name)
        before = self.converted(served, old)
        new = self._next(served, before.object.raw, change(before.object.raw), subresource)
        if new == before.object.raw:
            await self.store.flush()  # it may still wait for its commit
            return before
        return await self._put(served, address, old, new, options)

    async def _put(self, served: Served, address: Address, old: Stored | None, raw: Raw, options: Write) -> Stored:
        if served.storage.api_version != raw["apiVersion"]:
            raw = {**raw, "apiVersion": served.storage.api_version}
        if options.dry_run:
            version = old.version if old else 0
            stored = Stored(version, Object(raw), encode(raw))
        else:
            stored = self.store.stamped(raw)
            await self.store.write(address, stored, deleted=old is not None and _finished(raw))
        return self.converted(served, stored)

    def _new(self, served: Served, namespace: str, raw: Raw, options: Write) -> Raw:
        """A new object as the server keeps it."""
        kind = served.kind
        check_envelope(kind, raw)
        metadata = {key: value for key, value in (raw.get("metadata") or {}).items() if key not in _SERVERS}
        if metadata.pop("resourceVersion", ""):
            raise errors.bad_request("resourceVersion should not be set on objects to be created")
        if not metadata.get("name") and metadata.get("generateName"):
            metadata["name"] = self._free_name(served, namespace, metadata["generateName"])
        name = metadata.get("name") or ""
        check_name(kind, name)
        if kind.namespaced:
            if metadata.setdefault("namespace", namespace) != namespace:
                raise errors.bad_request(
                    "the namespace of the provided object does not match the namespace sent on the request"
                )
            self._check_namespace(kind, namespace, name)
        else:
            metadata.pop("namespace", None)
        if self.store.head(served.resource, namespace if kind.namespaced else "", name) is not None:
            raise errors.already_exists(kind, name)
        metadata["uid"] = new_uid()
        metadata["creationTimestamp"] = timestamp()
        if served.has_generation:
            metadata["generation"] = 1
        raw = {"apiVersion": kind.api_version, "kind": kind.kind, **raw, "metadata": metadata}
        raw["apiVersion"], raw["kind"] = kind.api_version, kind.kind
        return admission.born_status(served, admission.mutate(served, raw, None))

    def _next(self, served: Served, old: Raw, new: Raw, subresource: str) -> Raw:
        """What the object becomes when a client wants `new` where there is `old`."""
        kind = served.kind
        was, now = old["metadata"], dict(new.get("metadata") or {})
        name = was["name"]
        if now.get("resourceVersion") and now["resourceVersion"] != was["resourceVersion"]:
            raise errors.modified(kind, name)
        if now.get("uid") and now["uid"] != was["uid"]:
            raise errors.conflict(
                kind, name, f"Precondition failed: UID in precondition: {now['uid']}, UID in object meta: {was['uid']}"
            )
        for field in ("name", "namespace"):
            if now.get(field, was.get(field)) != was.get(field):
                raise errors.immutable(kind, name, f"metadata.{field}", now[field])
        if subresource == "status":
            if not served.has_status:
                raise errors.no_path()
            kept = {key: value for key, value in old.items() if key != "status"}
            return {**kept, "status": new["status"]} if new.get("status") is not None else kept
        for field in _KEPT:
            if field in was:
                now[field] = was[field]
            else:
                now.pop(field, None)
        new = {**new, "apiVersion": kind.api_version, "kind": kind.kind, "metadata": now}
        if served.has_status:
            new = {key: value for key, value in new.items() if key != "status"}
            if "status" in old:
                new["status"] = old["status"]
        if subresource != "finalize":
            new = admission.mutate(served, new, old)
        admission.check_change(served, new, old)
        if "generation" in was and _desired(new) != _desired(old):
            now = {**new["metadata"], "generation": was["generation"] + 1}
            new = {**new, "metadata": now}
        return new

    def _free_name(self, served: Served, namespace: str, prefix: str) -> str:
        for _ in range(_GENERATED_TRIES):
            name = generated_name(prefix)
            if self.store.head(served.resource, namespace if served.kind.namespaced else "", name) is None:
                return name
        raise errors.already_exists(served.kind, name)

    def _check_namespace(self, kind: Kind, namespace: str, name: str) -> None:
        found = self.store.head(NAMESPACES, "", namespace)
        if found is None:
            raise errors.not_found(kinds.NAMESPACE, namespace)
        if found.object.deleting:
            why = f"unable to create new content in namespace {namespace} because it is being terminated"
            raise errors.forbidden(kind, name, why)

    @staticmethod
    def _address(served: Served, raw: Raw) -> Address:
        metadata = raw["metadata"]
        return Address(served.resource, metadata.get("namespace") or "", metadata["name"])

    # Deleting

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        options: Deletion = Deletion(),
    ) -> tuple[Stored, bool]:
        """The last state and whether it is gone; when it is not, it is marked and goes later.

        A pod on a node gets its grace period; finalizers are waited for. Source:
        https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination and
        https://kubernetes.io/docs/concepts/overview/working-with-objects/finalizers/
        """
        served = self.resources.of(kind)
        address = Address(served.resource, namespace if kind.namespaced else "", name)
        old = self.store.head(*address)
        try:
            if old is None:
                raise errors.not_found(kind, name)
            _check_preconditions(kind, old, options)
        except ApiError:
            await self.store.flush()
            raise
        raw = _marked(served, old.object.raw, options)
        gone = _finished(raw)
        if options.dry_run or (raw is old.object.raw and not gone):
            await self.store.flush()
            return self.converted(served, old), gone
        stored = self.store.stamped(raw)
        await self.store.write(address, stored, deleted=gone)
        return self.converted(served, stored), gone

    async def delete_collection(
        self,
        kind: Kind,
        namespace: str | None,
        *,
        labels: str = "",
        fields: str = "",
        options: Deletion = Deletion(),
    ) -> Sequence[Stored]:
        """Deletes what is selected now; returns what that was."""
        found, _ = self.list(kind, namespace, labels=labels, fields=fields)
        for stored in found:
            try:
                await self.delete(kind, stored.object.namespace, stored.object.name, options)
            except ApiError as error:
                if error.code not in (404, 409):
                    raise
        return found

    # What follows from commits

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            if event.address.resource == ("apiextensions.k8s.io", "customresourcedefinitions"):
                if event.before is not None:
                    self.resources.undefine(event.before.object)
                if event.type != "DELETED":
                    self.resources.define(event.stored.object)


_SERVERS = frozenset({"uid", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "generation"})
_KEPT = (*sorted(_SERVERS), "resourceVersion", "namespace", "generateName")


def _desired(raw: Raw) -> Any:
    """The part of an object whose changes count as generations."""
    if "spec" in raw:
        return raw["spec"]
    return {key: value for key, value in raw.items() if key not in ("metadata", "status")}


def _finished(raw: Raw) -> bool:
    """Marked for deletion, and nothing is waited for any more."""
    metadata = raw["metadata"]
    if "deletionTimestamp" not in metadata or metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds"):
        return False
    return raw["kind"] != "Namespace" or not (raw.get("spec") or {}).get("finalizers")


def _check_preconditions(kind: Kind, old: Stored, options: Deletion) -> None:
    if options.uid and options.uid != old.object.uid:
        why = f"Precondition failed: UID in precondition: {options.uid}, UID in object meta: {old.object.uid}"
        raise errors.conflict(kind, old.object.name, why)
    if options.resource_version and options.resource_version != old.object.resource_version:
        why = (
            f"Precondition failed: ResourceVersion in precondition: {options.resource_version}, "
            f"ResourceVersion in object meta: {old.object.resource_version}"
        )
        raise errors.conflict(kind, old.object.name, why)


def _marked(served: Served, raw: Raw, options: Deletion) -> Raw:
    """`raw` as a deletion leaves it; the same object when it was marked so already."""
    metadata = raw["metadata"]
    grace = _grace(served, raw, options)
    finalizers = list(metadata.get("finalizers") or ())
    for policy, finalizer in (("Orphan", "orphan"), ("Foreground", "foregroundDeletion")):
        if options.propagation == policy and finalizer not in finalizers:
            finalizers.append(finalizer)
        elif options.propagation not in (policy, None) and finalizer in finalizers:
            finalizers.remove(finalizer)
    marked = "deletionTimestamp" in metadata
    settled = marked and grace >= metadata.get("deletionGracePeriodSeconds", 0)
    if settled and finalizers == list(metadata.get("finalizers") or ()):
        return raw
    changes: dict[str, Any] = {"finalizers": finalizers or None}
    if not marked or grace < metadata.get("deletionGracePeriodSeconds", 0):
        changes |= {"deletionTimestamp": timestamp(grace), "deletionGracePeriodSeconds": grace}
    if not marked and "generation" in metadata:
        changes["generation"] = metadata["generation"] + 1
    raw = with_metadata(raw, **changes)
    if served.kind == kinds.NAMESPACE:
        raw["status"] = {**(raw.get("status") or {}), "phase": "Terminating"}
    return raw


def _grace(served: Served, raw: Raw, options: Deletion) -> int:
    """Seconds that a pod has to end itself. All else goes at once, and so does a pod that no node runs."""
    if served.kind != kinds.POD:
        return 0
    spec = raw.get("spec") or {}
    if not spec.get("nodeName") or (raw.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    grace = options.grace_seconds
    if grace is None:
        grace = spec.get("terminationGracePeriodSeconds", 30)
    return int(grace) if grace >= 0 else 1
