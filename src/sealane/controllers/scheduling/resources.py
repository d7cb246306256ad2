"""The requests of pods and the resources of nodes: pure arithmetic of requests, in thousandths of each resource.

Sources: https://kubernetes.io/docs/concepts/configuration/manage-resources-containers/,
https://kubernetes.io/docs/concepts/workloads/pods/sidecar-containers/#resource-sharing-within-containers (KEP-753), and
k8s.io/kubernetes/pkg/scheduler/framework/plugins/noderesources (words).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Set
from contextlib import suppress
from typing import Any

from sealane.kube.quantities import thousandths

Amounts = Mapping[str, int]
Port = tuple[str, str, int]
"""A port of the node that a pod wants: protocol, address, number."""

NOTHING: Amounts = {}


def requests_of(spec: Mapping[str, Any]) -> Amounts:
    """The resources that a pod of this spec asks for. A pod that asks for nothing costs nothing here."""
    whole = (spec.get("resources") or {}).get("requests")
    mains, inits = spec.get("containers") or (), spec.get("initContainers") or ()
    if not whole and not spec.get("overhead") and not any(_asks(each) for each in (*mains, *inits)):
        return NOTHING
    running: Counter[str] = Counter()
    peak: Counter[str] = Counter()
    for each in inits:
        wanted = _requests(each)
        if each.get("restartPolicy") == "Always":
            running.update(wanted)
            peak |= running
        else:
            peak |= running + Counter(wanted)
    for each in mains:
        running.update(_requests(each))
    total = running | peak
    total.update(amounts(spec.get("overhead")))
    return {**total, **amounts(whole)}


def _asks(container: Mapping[str, Any]) -> bool:
    resources = container.get("resources") or {}
    return bool(resources.get("requests") or resources.get("limits"))


def _requests(container: Mapping[str, Any]) -> dict[str, int]:
    """A limit without a request is a request, too."""
    resources = container.get("resources") or {}
    return amounts({**(resources.get("limits") or {}), **(resources.get("requests") or {})})


def amounts(raw: Mapping[str, Any] | None) -> dict[str, int]:
    """Quantities by resource, in thousandths."""
    found = {}
    for name, amount in (raw or {}).items():
        with suppress(ValueError):  # validation has said so
            found[name] = thousandths(str(amount))
    return found


def shortage(wanted: Amounts, used: Amounts, pods: int, has: Amounts) -> list[str]:
    """Why so much more does not fit beside what is `used` by `pods` pods, in the scheduler's words.

    has: what the node has; empty where it says nothing, which limits nothing.
    """
    if not has:
        return []
    found = ["Too many pods"] if (pods + 1) * 1000 > has.get("pods", (pods + 1) * 1000) else []
    for name, amount in wanted.items():
        if amount and amount > has.get(name, 0) - used.get(name, 0):
            found.append(f"Insufficient {name}")
    return found


def ports_of(spec: Mapping[str, Any]) -> frozenset[Port]:
    """The ports of its node that a pod takes."""
    return frozenset(
        (port.get("protocol") or "TCP", port.get("hostIP") or "0.0.0.0", port["hostPort"])
        for container in spec.get("containers") or ()
        for port in container.get("ports") or ()
        if port.get("hostPort")
    )


def collide(wanted: Set[Port], taken: Set[Port]) -> bool:
    """The same port of the same address; 0.0.0.0 is every address."""
    return any(
        protocol == other_protocol and number == other_number and (address == other or "0.0.0.0" in (address, other))
        for protocol, address, number in wanted
        for other_protocol, other, other_number in taken
    )
