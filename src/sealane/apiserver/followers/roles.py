"""What keeps roles as they should be: the default ones are there, aggregated ones have the rules of those they select.

Source: k8s.io/kubernetes/pkg/registry/rbac/rest (the post-start hook) and pkg/controller/clusterroleaggregation
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

from sealane.apiserver.access.roles import aggregated, defaults
from sealane.apiserver.objects.metadata import with_metadata
from sealane.apiserver.objects.states import born, new_metadata
from sealane.apiserver.storage.backends import Address, Resource, StorageError
from sealane.apiserver.storage.values import Event
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

if TYPE_CHECKING:
    from sealane.apiserver.api import Api

log = logging.getLogger("sealane.roles")

_CLUSTERROLES: Resource = (kinds.CLUSTERROLE.group, kinds.CLUSTERROLE.plural)
_WRITE = Write(manager="clusterrole-aggregation-controller")


def furnish(api: Api) -> None:
    """Queues the default roles and bindings that are missing for the next commit. What somebody has changed stays."""
    for kind, raw in defaults():
        served = api.resources.of(kind)
        address = Address(served.resource, "", raw["metadata"]["name"])
        if api.store.head(*address) is None:
            api.store.enqueue(address, api.store.stamped(born(served, raw, new_metadata(raw))))


class Aggregation:
    """Belongs to one Api. Works in a task of the event loop that commits."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._task: asyncio.Task[None] | None = None
        self._due = True
        api.store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        if any(event.address.resource == _CLUSTERROLES for event in events):
            self._due = True
            self.wake()

    def wake(self) -> None:
        """Looks at the roles once. Needs a running event loop."""
        if self._due and self._task is None:
            with suppress(RuntimeError):
                self._task = asyncio.get_running_loop().create_task(self._run(), name="role aggregation")

    async def _run(self) -> None:
        try:
            while self._due:
                self._due = False
                roles = [stored.object.raw for stored in self._api.store.items(_CLUSTERROLES)]
                for role in roles:
                    if role.get("aggregationRule"):
                        await self._follow(role, aggregated(role, roles))
        except StorageError as error:
            log.warning("%s", error)
        finally:
            self._task = None

    async def _follow(self, role: Raw, rules: list[Raw]) -> None:
        if rules == (role.get("rules") or []):
            return

        def change(old: Raw) -> Raw:
            return with_metadata({**old, "rules": rules}, resourceVersion=role["metadata"]["resourceVersion"])

        served = self._api.resources.of(kinds.CLUSTERROLE)
        try:
            await self._api.change(served, "", role["metadata"]["name"], change, "", _WRITE)
        except ApiError as error:  # it has changed or is gone: its event wakes us again
            log.debug("%s: %s", role["metadata"]["name"], error)
