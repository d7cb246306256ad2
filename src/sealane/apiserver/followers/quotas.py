"""The status of ResourceQuotas: what is used of them, kept current with each commit.

Source: k8s.io/kubernetes/pkg/controller/resourcequota
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress

from sealane.apiserver.admission.plugins.resource_quota import QUOTAS, Newest, used_of
from sealane.apiserver.api import Api
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.storage.values import Event
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

_WRITE = Write(manager="kube-controller-manager")


class Quotas:
    """Follows one Api; does nothing while there are no quotas."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._newest = Newest(api.store)
        self._work = Worklist("resource quotas", self._look)
        self._work.add(api.store.namespaces(QUOTAS))
        api.store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        quoted = self._api.store.namespaces(QUOTAS)
        if not quoted:
            return
        self._work.add(event.address.namespace for event in events if event.address.namespace in quoted)

    async def _look(self, namespace: str) -> None:
        for stored in list(self._api.store.items(QUOTAS, namespace)):
            await self._follow(stored.object.raw)

    async def _follow(self, quota: Raw) -> None:
        from sealane.kube.quantities import text

        hard = (quota.get("spec") or {}).get("hard") or {}
        used = {name: text(amount, str(hard[name])) for name, amount in used_of(self._newest, quota).items()}
        status = {"hard": hard, "used": used}
        if quota.get("status") == status:
            return
        metadata, served = quota["metadata"], self._api.resources.of(kinds.RESOURCEQUOTA)
        with suppress(ApiError):  # it is gone
            await self._api.change(
                served, metadata["namespace"], metadata["name"], lambda old: {**old, "status": status}, "status", _WRITE
            )
