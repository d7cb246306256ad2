"""How much pods use of quotas and limits.

Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/ and k8s.io/kubernetes/pkg/quota/v1/evaluator/core
"""

from __future__ import annotations

from sealane.kube.objects import Raw
from sealane.kube.quantities import text, thousandths

BARE = ("cpu", "memory", "ephemeral-storage")
"""Names that mean requests."""
_ONE = 1000


def usage(pod: Raw) -> dict[str, int]:
    """A pod that has ended uses nothing."""
    if (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return {}
    found = {"pods": _ONE}
    for part in ("requests", "limits"):
        for name, amount in pod_amounts(pod.get("spec") or {}, part).items():
            found[f"{part}.{name}"] = thousandths(amount)
            if part == "requests" and name in BARE:
                found[name] = thousandths(amount)
    return found


def pod_amounts(spec: Raw, part: str) -> dict[str, str]:
    """The requests of a pod as a whole: its containers together, or the largest init container where that is more.

    Sidecars (init containers that go on) count with the containers. KEP-753.
    """
    total: dict[str, int] = {}
    units: dict[str, str] = {}

    def add(container: Raw) -> None:
        for name, amount in ((container.get("resources") or {}).get(part) or {}).items():
            total[name] = total.get(name, 0) + thousandths(str(amount))
            units.setdefault(name, str(amount))

    most: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        if container.get("restartPolicy") == "Always":
            add(container)
            continue
        for name, amount in ((container.get("resources") or {}).get(part) or {}).items():
            most[name] = max(most.get(name, 0), total.get(name, 0) + thousandths(str(amount)))
            units.setdefault(name, str(amount))
    for container in spec.get("containers") or ():
        add(container)
    for name, amount in (spec.get("overhead") or {}).items():
        if part == "requests" or name in total:
            total[name] = total.get(name, 0) + thousandths(str(amount))
    return {name: text(max(total.get(name, 0), most.get(name, 0)), units.get(name, "")) for name in {**total, **most}}
