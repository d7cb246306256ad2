"""An APIService for each group and version that is served, as every kube-apiserver has them.

Sources: k8s.io/kube-aggregator/pkg/controllers/autoregister and, of Kubernetes, pkg/controlplane/apiserver (the
priorities) and pkg/controlplane/controller/crdregistration
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress

from sealane.apiserver.admission.admission import born_status
from sealane.apiserver.api import Api
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.objects.states import born, new_metadata
from sealane.apiserver.pods import metrics
from sealane.apiserver.registry.resources import DEFINITIONS
from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.values import Event
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import APISERVICE
from sealane.kube.objects import Raw

_SERVICES: Resource = (APISERVICE.group, APISERVICE.plural)
_MANAGED = "kube-aggregator.kubernetes.io/automanaged"
_UNSTORED = (("authentication.k8s.io", "v1"), ("authorization.k8s.io", "v1"), (metrics.GROUP, metrics.PODS.version))
"""Groups of which no object is kept."""
_GROUPS = (
    "", "apps", "events.k8s.io", "authentication.k8s.io", "authorization.k8s.io", "autoscaling", "batch",
    "certificates.k8s.io", "networking.k8s.io", "policy", "rbac.authorization.k8s.io", "storage.k8s.io",
    "apiextensions.k8s.io", "admissionregistration.k8s.io", "scheduling.k8s.io", "coordination.k8s.io", "node.k8s.io",
    "discovery.k8s.io", "flowcontrol.apiserver.k8s.io", "resource.k8s.io", "apiregistration.k8s.io",
)  # fmt: skip
_FIRST, _STEP = 18_000, 100
"""groupPriorityMinimum of the core group, and from each of `_GROUPS` to the next."""
_OTHERS, _VERSION = 1_000, 100


class Registrations:
    """Follows one Api, and queues what is missing from its beginning for the next commit."""

    def __init__(self, api: Api) -> None:
        self._api = api
        self._work = Worklist("API services", self._settle)
        self._queue_missing()
        if self._left():
            self._work.add(["all"])
        api.store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        if any(event.address.resource == DEFINITIONS for event in events):
            self._work.add(["all"])

    def _queue_missing(self) -> None:
        store, served = self._api.store, self._api.resources.of(APISERVICE)
        for name, raw in self._wanted():
            address = Address(_SERVICES, "", name)
            if store.head(*address) is None:
                store.enqueue(address, store.stamped(born_status(served, born(served, raw, new_metadata(raw)))))

    async def _settle(self, _all: str) -> None:
        self._queue_missing()
        for name in self._left():
            with suppress(ApiError):  # another writer was first
                await self._api.delete(APISERVICE, "", name)
        await self._api.store.flush()

    def _wanted(self) -> Iterator[tuple[str, Raw]]:
        """Name and object."""
        versions = dict.fromkeys((each.kind.group, each.kind.version) for each in self._api.resources.all())
        for group, version in (*versions, *_UNSTORED):
            known = group in _GROUPS
            spec = {
                **({"group": group} if group else {}),
                "version": version,
                "groupPriorityMinimum": _FIRST - _STEP * _GROUPS.index(group) if known else _OTHERS,
                "versionPriority": 1 if not group else 15 if known else _VERSION,
            }
            labels = {_MANAGED: "onstart" if known else "true"}
            name = f"{version}.{group}"
            yield name, {"metadata": {"name": name, "labels": labels}, "spec": spec}

    def _left(self) -> list[str]:
        """The APIServices of versions that are no longer served."""
        wanted = {name for name, _ in self._wanted()}
        ours = (each.object for each in self._api.store.items(_SERVICES) if _MANAGED in each.object.labels)
        return [each.name for each in ours if each.name not in wanted]
