"""`kube.client.protocol.Client` in process: no sockets, no encoding, the same rules."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import aclosing
from typing import Any, Literal

from sealane.apiserver.api import Api
from sealane.apiserver.objects.deletion import Deletion
from sealane.apiserver.reading import converted
from sealane.apiserver.write import Write
from sealane.kube.client.protocol import ObjectList, PatchType, WatchEvent, binding
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object, Raw


class LocalClient:
    """Objects it returns are the store's own: callers do not change their `raw`."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def close(self) -> None:
        """For symmetry with the client over HTTP; the store is closed by its owner."""

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        return (await self._api.get(kind, namespace, name)).object

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "") -> ObjectList:
        found, version = self._api.list(kind, namespace, labels=labels, fields=fields)
        return ObjectList(tuple(stored.object for stored in found), str(version))

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        served = self._api.resources.of(kind)
        watch = self._api.watch(kind, namespace, resource_version=int(resource_version), labels=labels, fields=fields)
        try:
            async with aclosing(watch.batches()) as stream:
                async for batches in stream:
                    yield [
                        WatchEvent(seen.type, converted(served, seen.stored).object)
                        for batch in batches
                        for seen in batch.seen(watch.selection)
                    ]
        finally:
            watch.close()

    async def create(self, kind: Kind, raw: Raw) -> Object:
        namespace = (raw.get("metadata") or {}).get("namespace") or "default"
        return (await self._api.create(kind, namespace, raw)).object

    async def bind(self, pod: Object, node: str) -> None:
        await self._api.bind(pod.namespace, pod.name, binding(pod, node))

    async def account_token(self, namespace: str, name: str, spec: Raw) -> Raw:
        status: Raw = (await self._api.account_token(namespace, name, {"spec": spec}))["status"]
        return status

    async def update(self, kind: Kind, raw: Raw, *, subresource: str = "") -> Object:
        metadata = raw.get("metadata") or {}
        namespace, name = metadata.get("namespace") or "default", metadata.get("name") or ""
        return (await self._api.update(kind, namespace, name, raw, subresource=subresource)).object

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Any,
        *,
        type: PatchType = "merge",  # noqa: A002 - the API's own word
        subresource: str = "",
    ) -> Object:
        stored = await self._api.patch(kind, namespace, name, patch, type=type, subresource=subresource)
        return stored.object

    async def apply(self, kind: Kind, raw: Raw, *, manager: str) -> Object:
        metadata, options = raw["metadata"], Write(manager=manager, force=True)
        namespace = metadata.get("namespace") or "default"
        return (await self._api.apply(kind, namespace, metadata["name"], raw, options=options))[0].object

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
        uid: str | None = None,
    ) -> None:
        await self._api.delete(kind, namespace, name, Deletion(grace_seconds, propagation, uid))
