"""ResourceQuota: nothing is created or grows beyond what its namespace may use.

Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/ and
k8s.io/apiserver/pkg/admission/plugin/resourcequota (CheckRequest)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.apiserver.errors import forbidden
from sealane.apiserver.registry.resources import Served
from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Event
from sealane.kube import kinds
from sealane.kube.objects import Raw

QUOTAS: Resource = ("", "resourcequotas")


class Newest:
    """Objects as they will be once what waits is committed: two creates at once must not both fit into the last place.

    Belongs to the event loop of its store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._admitted: dict[Address, None] = {}  # on their way to the disk
        store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            self._admitted.pop(event.address, None)

    def admit(self, address: Address) -> None:
        self._admitted[address] = None

    def items(self, resource: Resource, namespace: str) -> Iterator[tuple[str, Raw]]:
        """Name and object."""
        names = dict.fromkeys(self._store.names(resource, namespace))
        names |= {each.name: None for each in self._admitted if each[:2] == (resource, namespace)}
        for name in names:
            found = self._store.head(resource, namespace, name)
            if found is not None:
                yield name, found.object.raw
            else:
                self._admitted.pop(Address(resource, namespace, name), None)  # the write was refused after all


def step(store: Store) -> Step:
    newest = Newest(store)

    def check(attempt: Attempt) -> None:
        if attempt.new is None or attempt.subresource or not attempt.namespace:
            return
        quotas = [raw for _, raw in newest.items(QUOTAS, attempt.namespace)]
        if not quotas or attempt.served.kind == kinds.RESOURCEQUOTA:  # a full quota can be changed and added to
            return
        for quota in quotas:
            _check(newest, quota, attempt, attempt.new)
        if not attempt.options.dry_run:
            newest.admit(Address(attempt.served.resource, attempt.namespace, attempt.name))

    return Step("ResourceQuota", check=check)


def _check(newest: Newest, quota: Raw, attempt: Attempt, new: Raw) -> None:
    from sealane.apiserver.admission.plugins import quota_usage  # few namespaces have a quota
    from sealane.kube.quantities import text, thousandths

    spec, name = quota.get("spec") or {}, str(quota["metadata"]["name"])
    hard: Mapping[str, object] = spec.get("hard") or {}
    served: Served = attempt.served
    if not quota_usage.in_scope(spec, served.resource, new):
        return
    if served.kind == kinds.POD and attempt.operation == "CREATE":  # containers have to state each bounded resource
        said = quota_usage.missing(hard, new)
        if said:
            raise forbidden(served.kind, attempt.name, f"failed quota: {name}: must specify {'; '.join(said)}")
    asked = quota_usage.usage(served.resource, new)
    before: quota_usage.Amounts = {}
    if attempt.old is not None and quota_usage.in_scope(spec, served.resource, attempt.old):
        before = quota_usage.usage(served.resource, attempt.old)
    delta = {each: asked[each] - before.get(each, 0) for each in asked if each in hard}
    delta = {each: amount for each, amount in delta.items() if amount > 0}
    if not delta:
        return
    used = used_of(newest, quota)
    limits = {each: thousandths(str(hard[each])) for each in delta}
    over = sorted(each for each, amount in delta.items() if used.get(each, 0) + amount > limits[each])
    if not over:
        return

    def listed(amounts: Mapping[str, int]) -> str:
        return ",".join(f"{each}={text(amounts.get(each, 0), str(hard[each]))}" for each in over)

    raise forbidden(
        served.kind,
        attempt.name,
        f"exceeded quota: {name}, requested: {listed(delta)}, used: {listed(used)}, limited: {listed(limits)}",
    )


def used_of(newest: Newest, quota: Raw) -> dict[str, int]:
    """The used part of the quota's `hard`, in thousandths."""
    from sealane.apiserver.admission.plugins import quota_usage

    spec, namespace = quota.get("spec") or {}, str(quota["metadata"]["namespace"])
    hard: Mapping[str, object] = spec.get("hard") or {}
    used = dict.fromkeys(hard, 0)
    owners = {name: quota_usage.resource_of(name) for name in hard}
    for resource in sorted(filter(None, set(owners.values()))):
        for _, raw in newest.items(resource, namespace):
            if quota_usage.in_scope(spec, resource, raw):
                for name, amount in quota_usage.usage(resource, raw).items():
                    if owners.get(name) == resource:
                        used[name] += amount
    return used
