"""The parts of a pod's spec that matter to its life: its containers in order, their roles and probes. Pure."""

from __future__ import annotations

from sealane.dataplane.pods.states import ContainerPlan, ProbeKind, RestartPolicy, Role
from sealane.kube.objects import Object, Raw

PROBES: tuple[ProbeKind, ...] = ("startup", "readiness", "liveness")


def container_plans(pod: Object) -> list[ContainerPlan]:
    """The parts of the spec that matter to the pod's life."""
    policy: RestartPolicy = pod.spec.get("restartPolicy") or "Always"
    plans = []
    for role, key in (("init", "initContainers"), ("main", "containers")):
        for raw in pod.spec.get(key) or ():
            sidecar = role == "init" and raw.get("restartPolicy") == "Always"
            kind: Role = "sidecar" if sidecar else "init" if role == "init" else "main"
            probes = frozenset(one for one in PROBES if raw.get(f"{one}Probe"))
            plans.append(ContainerPlan(raw["name"], kind, "Always" if sidecar else policy, probes))
    return plans


def containers_of(pod: Object) -> list[Raw]:
    """All of the spec: init containers first, ephemeral ones last."""
    spec = pod.spec
    return [*(spec.get("initContainers") or ()), *spec["containers"], *(spec.get("ephemeralContainers") or ())]


def default_container(pod: Object) -> str:
    """The one of the kubectl.kubernetes.io/default-container annotation, else the first of the spec."""
    first: Raw = (pod.spec.get("containers") or [{}])[0]
    return str(pod.annotations.get("kubectl.kubernetes.io/default-container") or first.get("name", ""))
