"""The upkeep of roles: the default ones are there, aggregated ones have the rules of those they select.

Source: k8s.io/kubernetes/pkg/registry/rbac/rest (the post-start hook) and pkg/controller/clusterroleaggregation
"""

from __future__ import annotations

from collections.abc import Sequence

from sealane.apiserver.access.roles import aggregated, defaults
from sealane.apiserver.api import Api
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.objects.metadata import with_metadata
from sealane.apiserver.objects.states import born, new_metadata
from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.values import Event
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.objects import Raw

_CLUSTERROLES: Resource = (kinds.CLUSTERROLE.group, kinds.CLUSTERROLE.plural)
_WRITE = Write(manager="clusterrole-aggregation-controller")


def furnish(api: Api) -> None:
    """Queues the default roles and bindings that are missing for the next commit. Changes of users stay."""
    for kind, raw in defaults():
        served = api.resources.of(kind)
        address = Address(served.resource, "", raw["metadata"]["name"])
        if api.store.head(*address) is None:
            api.store.enqueue(address, api.store.stamped(born(served, raw, new_metadata(raw))))


class Aggregation:
    """Follows one Api. An item of its worklist is the name of an aggregated role."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._work = Worklist("role aggregation", self._look)
        self._work.add(self._aggregated())
        api.store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        if any(event.address.resource == _CLUSTERROLES for event in events):
            self._work.add(self._aggregated())

    def _aggregated(self) -> list[str]:
        roles = self._api.store.items(_CLUSTERROLES)
        return [stored.object.name for stored in roles if stored.object.raw.get("aggregationRule")]

    async def _look(self, name: str) -> None:
        roles = [stored.object.raw for stored in self._api.store.items(_CLUSTERROLES)]
        role = next((each for each in roles if each["metadata"]["name"] == name), None)
        if role is None:
            return
        rules = aggregated(role, roles)
        if rules == (role.get("rules") or []):
            return

        def change(old: Raw) -> Raw:
            return with_metadata({**old, "rules": rules}, resourceVersion=role["metadata"]["resourceVersion"])

        served = self._api.resources.of(kinds.CLUSTERROLE)
        await self._api.change(served, "", name, change, "", _WRITE)
