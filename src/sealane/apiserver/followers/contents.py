"""What is inside goes first: namespaces and CustomResourceDefinitions that are being deleted, and what they hold.

Also keeps what every namespace holds: its default ServiceAccount and the ConfigMap kube-root-ca.crt.
Sources: https://kubernetes.io/docs/tasks/administer-cluster/namespaces/#deleting-a-namespace and
k8s.io/apiextensions-apiserver/pkg/controller/finalizer
"""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress

from sealane.apiserver.admission.completion import namespace_objects
from sealane.apiserver.api import Api
from sealane.apiserver.clock import timestamp
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.objects.deletion import Deletion
from sealane.apiserver.registry.resources import DEFINITIONS, NAMESPACES, Served
from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.values import Event, Stored
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds.extensions.rows import CLEANUP
from sealane.kube.objects import Object, Raw

log = logging.getLogger(__name__)

GRACE_SECONDS = 1.0
"""Between a namespace's deletion and that of what is in it: so that `kubectl delete -f`, which deletes a manifest's
namespace before its other objects, still finds those. (Upstream's namespace controller waits 5 seconds.)"""

_HELD = "Some content in the namespace has finalizers remaining"
Change = Callable[[Raw], Raw]
_FURNITURE = {("", "serviceaccounts"): "default", ("", "configmaps"): "kube-root-ca.crt"}


class Contents:
    """Follows one Api. grace: seconds between a namespace's deletion and that of what is in it."""

    def __init__(self, api: Api, grace: float = GRACE_SECONDS) -> None:
        self._api = api
        self._grace = grace
        self._ending: dict[Address, bool] = {}  # namespaces and definitions that go: have they begun to?
        self._emptying = Worklist("namespace contents", self._empty, together=True)
        self._furnishing = Worklist("namespace furniture", self._furnish, together=True)
        for resource in (NAMESPACES, DEFINITIONS):
            for stored in api.store.items(resource):
                self._look(Address(resource, "", stored.object.name), stored.object)
        if api.root_ca:  # a restored store brings that of another cluster
            for stored in api.store.items(("", "configmaps")):
                found = stored.object
                if found.name == _FURNITURE["", "configmaps"] and _root(found.raw) != api.root_ca:
                    self._furnishing.add([found.namespace])
        api.store.subscribe(self._committed)

    def _look(self, address: Address, found: Object) -> None:
        """Namespaces and definitions that are being deleted begin to lose what they hold, namespaces after a while."""
        if not found.deleting or address in self._ending:
            return
        self._ending[address] = False
        if address.resource == NAMESPACES and self._grace:
            with suppress(RuntimeError):  # no event loop yet: then it was deleted long ago
                asyncio.get_running_loop().call_later(self._grace, self._begin, address)
                return
        self._begin(address)

    def _begin(self, address: Address) -> None:
        if address in self._ending:
            self._ending[address] = True
            self._emptying.add([address])

    def _committed(self, events: Sequence[Event]) -> None:
        self._emptying.wake()
        self._furnishing.wake()
        for type_, address, stored, _ in events:
            resource, namespace, name = address
            if resource in (NAMESPACES, DEFINITIONS):
                if type_ == "DELETED":
                    self._ending.pop(address, None)
                else:
                    self._look(address, stored.object)
            if type_ == "DELETED":
                if self._ending:
                    self._touch(Address(NAMESPACES, "", namespace))
                    self._touch(Address(DEFINITIONS, "", ".".join((resource[1], resource[0]))))
                if _FURNITURE.get(resource) == name:
                    self._furnishing.add([namespace])

    def _touch(self, address: Address) -> None:
        if self._ending.get(address):
            self._emptying.add([address])

    async def _empty(self, ending: Address) -> None:
        """Deletes what is still inside; once nothing is, lets `ending` go."""
        if self._api.store.get(*ending) is None:
            return
        inside = list(self._inside(ending))
        if inside:
            fresh = [(served, stored.object) for served, stored in inside if not stored.object.deleting]
            await asyncio.gather(*(self._delete(served, found) for served, found in fresh))
            remaining = list(self._inside(ending))
            namespaces = self._api.resources.stored(NAMESPACES)
            if remaining and ending.resource == NAMESPACES and namespaces is not None:
                await self._change(namespaces, ending.name, _saying(remaining), "status")
            return
        served = self._api.resources.stored(ending.resource)
        if served is None:
            return
        if ending.resource == NAMESPACES:
            await self._change(served, ending.name, _without_kubernetes, "finalize")
        else:
            await self._change(served, ending.name, _without_custom_resources, "")

    def _inside(self, ending: Address) -> Iterator[tuple[Served, Stored]]:
        store, resources = self._api.store, self._api.resources
        held: Sequence[Resource] = tuple(store.resources())
        namespace: str | None = ending.name
        if ending.resource == DEFINITIONS:
            plural, _, group = ending.name.partition(".")
            held, namespace = [(group, plural)], None
        for resource in held:
            served = resources.stored(resource)
            if served is not None and (ending.resource == DEFINITIONS or served.kind.namespaced):
                for stored in store.items(resource, namespace):
                    yield served, stored

    async def _delete(self, served: Served, found: Object) -> None:
        try:
            options = Deletion(propagation="Background", uid=found.uid)
            await self._api.delete(served.kind, found.namespace, found.name, options)
        except ApiError as error:
            if error.code not in (404, 409):
                log.warning("%s: %s", found.key, error)

    async def _change(self, served: Served, name: str, change: Change, subresource: str) -> None:
        try:
            await self._api.change(served, "", name, change, subresource)
        except ApiError as error:
            if error.code != 404:
                log.warning("%s: %s", name, error)

    async def _furnish(self, namespace: str) -> None:
        for kind, raw in namespace_objects(namespace, self._api.root_ca):
            try:
                if self._api.store.get((kind.group, kind.plural), namespace, raw["metadata"]["name"]) is None:
                    await self._api.create(kind, namespace, raw)
                elif "data" in raw:
                    patch = {"data": raw["data"]}
                    await self._api.patch(kind, namespace, raw["metadata"]["name"], patch)
            except ApiError as error:  # the namespace goes
                log.debug("%s: %s", namespace, error)


def _saying(remaining: Sequence[tuple[Served, Stored]]) -> Change:
    """Conditions of a namespace that say what it waits for: pkg/controller/namespace/deletion of Kubernetes."""
    kinds_left = Counter(f"{served.kind.plural}.{served.kind.group}" for served, _ in remaining)
    held = Counter(each for _, stored in remaining for each in stored.object.metadata.get("finalizers") or ())
    left = ", ".join(f"{name} has {count} resource instances" for name, count in sorted(kinds_left.items()))
    finalizers = ", ".join(f"{name} in {count} resource instances" for name, count in sorted(held.items()))
    said = (
        ("NamespaceDeletionDiscoveryFailure", False, "ResourcesDiscovered", "All resources successfully discovered"),
        (
            "NamespaceDeletionGroupVersionParsingFailure",
            False,
            "ParsedGroupVersions",
            "All legacy kube types successfully parsed",
        ),
        (
            "NamespaceDeletionContentFailure",
            False,
            "ContentDeleted",
            "All content successfully deleted, may be waiting on finalization",
        ),
        ("NamespaceContentRemaining", True, "SomeResourcesRemain", f"Some resources are remaining: {left}"),
        (
            ("NamespaceFinalizersRemaining", True, "SomeFinalizersRemain", f"{_HELD}: {finalizers}")
            if held
            else (
                "NamespaceFinalizersRemaining",
                False,
                "ContentHasNoFinalizers",
                "All content-preserving finalizers finished",
            )
        ),
    )

    def change(raw: Raw) -> Raw:
        status = raw.get("status") or {}
        before = {each["type"]: each for each in status.get("conditions") or ()}
        for type_, true, reason, message in said:
            now = {"type": type_, "status": "True" if true else "False", "reason": reason, "message": message}
            was = before.get(type_, {})
            since = was["lastTransitionTime"] if was.get("status") == now["status"] else timestamp()
            before[type_] = {**now, "lastTransitionTime": since}
        return {**raw, "status": {**status, "conditions": list(before.values())}}

    return change


def _root(configmap: Raw) -> str:
    return str((configmap.get("data") or {}).get("ca.crt") or "")


def _without_kubernetes(raw: Raw) -> Raw:
    spec = raw.get("spec") or {}
    kept = [each for each in spec.get("finalizers") or () if each != "kubernetes"]
    return {**raw, "spec": {**spec, "finalizers": kept}}


def _without_custom_resources(raw: Raw) -> Raw:
    metadata = raw["metadata"]
    kept = [each for each in metadata.get("finalizers") or () if each != CLEANUP]
    return {**raw, "metadata": {**metadata, "finalizers": kept}}
