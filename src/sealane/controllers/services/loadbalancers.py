"""Load balancers: an address of the pool for each Service of type LoadBalancer, in its status."""

from __future__ import annotations

from collections.abc import Sequence

from sealane.controllers.actions import Action, Again, Patch, Say
from sealane.kube.kinds import SERVICE
from sealane.kube.objects import Object, Raw
from sealane.network.services import is_ours
from sealane.network.services.pools import Pool, assign, assigned, ingress

RETRY = 5.0
"""Seconds after which a Service that got no address asks again."""


def plan(service: Object, pool: Pool) -> list[Action]:
    """The status that the Service should have, and Events when the pool cannot give what it asks for."""
    if not is_ours(service) or service.deleting:
        pool.hold(service.key, ())
        foreign = service.spec.get("type") == "LoadBalancer"
        return [] if foreign or not assigned(service) else [_write(service, ())]
    found = assign(service, pool)
    actions: list[Action] = []
    for problem in found.problems:
        actions.append(Say("Warning", "AllocationFailed", f"Failed to allocate IP for {_name(service)}: {problem}"))
        actions.append(Again(RETRY))
    wanted = ingress(service, found.addresses)
    has = (service.status.get("loadBalancer") or {}).get("ingress") or ()
    modes = {entry.get("ipMode") or "VIP" for entry in has}
    if assigned(service) != found.addresses:
        actions.append(_write(service, wanted))
        if found.addresses:
            actions.append(Say("Normal", "IPAllocated", f"Assigned IP {', '.join(map(str, found.addresses))}"))
    elif modes - {entry["ipMode"] for entry in wanted}:
        actions.append(_write(service, wanted))
    return actions


def _write(service: Object, wanted: Sequence[Raw]) -> Patch:
    patch: Raw = {"status": {"loadBalancer": {"ingress": list(wanted) or None}}}
    return Patch(SERVICE, service.namespace, service.name, patch, "status")


def _name(service: Object) -> str:
    return f'"{service.namespace}/{service.name}"'
