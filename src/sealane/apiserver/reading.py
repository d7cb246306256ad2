"""Reading: objects, lists and watches, each in the version of its kind that was asked for.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/#resource-versions
"""

from __future__ import annotations

from collections.abc import Sequence

from sealane.apiserver import errors
from sealane.apiserver.objects.subresources import scale_of
from sealane.apiserver.registry.conversion import in_version
from sealane.apiserver.registry.resources import Resources, Served
from sealane.apiserver.storage import listing
from sealane.apiserver.storage.listing import ListOptions, Page
from sealane.apiserver.storage.selection import Selection, select
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Stored, encode
from sealane.apiserver.storage.watch import Hub, Watch
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object


class Reader:
    """Of one Api."""

    def __init__(self, store: Store, resources: Resources, hub: Hub) -> None:
        self._store = store
        self._resources = resources
        self._hub = hub

    async def get(
        self, kind: Kind, namespace: str, name: str, *, subresource: str = "", not_older_than: int = 0
    ) -> Stored:
        """Raises ApiError 404, and 504 when the version `not_older_than` does not come in time."""
        served = self._resources.of(kind)
        await self._reached(not_older_than)
        found = self._store.get(served.resource, namespace if kind.namespaced else "", name)
        if found is None:
            raise errors.not_found(kind, name)
        return shown(served, found, subresource)

    def list(
        self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = ""
    ) -> tuple[Sequence[Stored], int]:
        """The objects in the order of namespace and name, and the resourceVersion of this state."""
        served = self._resources.of(kind)
        selection = self.selection(kind, namespace, labels, fields)
        items = self._store.items(served.resource, selection.namespace)
        if selection.narrow:
            items = (item for item in items if selection.matches(item.object))
        return self._converted(served, list(items)), self._store.version

    async def page(
        self,
        kind: Kind,
        namespace: str | None,
        options: ListOptions,
        *,
        labels: str = "",
        fields: str = "",
    ) -> Page:
        """The objects that `options` ask for. Raises ApiError 400, 410 or 504 as `listing` says."""
        served = self._resources.of(kind)
        selection = self.selection(kind, namespace, labels, fields)
        version, _ = listing.wanted_version(options)
        await self._reached(options.number if version == listing.LATEST else version)
        found = listing.page(self._store, served.resource, selection, options)
        return found._replace(items=self._converted(served, found.items))

    async def _reached(self, version: int) -> None:
        if version > self._store.version and not await self._store.reached(version):
            raise listing.too_large(version, self._store.version)

    def selection(self, kind: Kind, namespace: str | None, labels: str, fields: str) -> Selection:
        """Raises ApiError 400."""
        return select(kind, namespace, labels, fields, self._resources.of(kind).selectable)

    def _converted(self, served: Served, items: Sequence[Stored]) -> Sequence[Stored]:
        if served.kind == served.storage and not served.since:
            return items
        return [converted(served, item) for item in items]

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
        served = self._resources.of(kind)
        return self._hub.watch(served.resource, self.selection(kind, namespace, labels, fields), resource_version)


def converted(served: Served, stored: Stored) -> Stored:
    """In the version that was asked for.

    An object from before its definition changed also gets the defaults of today.
    """
    raw = stored.object.raw
    raw = in_version(raw, served.kind.api_version)
    if stored.version <= served.since:
        from sealane.apiserver.registry import custom

        raw = custom.defaulted(served, raw)
    return stored if raw is stored.object.raw else Stored(stored.version, Object(raw), encode(raw))


def shown(served: Served, stored: Stored, subresource: str) -> Stored:
    if subresource == "scale":
        scale = scale_of(served, stored.object.raw)
        return Stored(stored.version, Object(scale), encode(scale))
    return converted(served, stored)
