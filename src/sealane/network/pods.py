"""A pod as the network sees it: its addresses, its ports, and whether it is still there.

Of a pod that has ended (Succeeded, Failed) the network sees nothing: its node has taken its addresses back, and they
may be another pod's by now, while its status goes on stating them. So it is no endpoint, has no name, is no peer and no
subject of a policy, and `trace` and the API server's proxy do not find it.

Source: the Pod v1 API reference (`PodStatus.podIPs`, `PodSpec.initContainers`: sidecars are those with the restart
policy Always).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, NamedTuple

from sealane.network.addresses import canonical

if TYPE_CHECKING:
    from sealane.kube.shapes import Pod
    from sealane.kube.shapes.core_v1 import Container, PodCondition

FieldPath = tuple[str | int, ...]


class ContainerPort(NamedTuple):
    """A port that a container declares. name: "" without one. path: the field that says so."""

    name: str
    protocol: str
    number: int
    path: FieldPath


def is_over(pod: Pod) -> bool:
    """Whether a pod has ended: its addresses may be another's by now.

    Source: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-phase; a kubelet tears the network of
    such a pod down (SyncTerminatedPod in pkg/kubelet/kubelet.go).
    """
    return pod.status.get("phase") in ("Succeeded", "Failed")


def addresses(pod: Pod) -> tuple[str, ...]:
    """The addresses at which a pod is, of all families, the primary one first; none once it has ended.

    Raises ValueError for what is no address.
    """
    status = pod.status
    if is_over(pod):
        return ()
    stated = tuple(canonical(each["ip"]) for each in status.get("podIPs") or () if each.get("ip"))
    return stated or ((canonical(status["podIP"]),) if status.get("podIP") else ())


def own_addresses(pod: Pod) -> tuple[str, ...]:
    """The addresses that are this pod's alone: none on its node's network, none once it has ended."""
    return () if pod.spec.get("hostNetwork") else addresses(pod)


def container_ports(pod: Pod) -> Iterator[ContainerPort]:
    """The declared ports of containers and sidecars, containers first."""
    spec = pod.spec
    for index, container in enumerate(spec.get("containers") or ()):
        yield from _ports(container, ("spec", "containers", index, "ports"))
    for index, container in enumerate(spec.get("initContainers") or ()):
        if container.get("restartPolicy") == "Always":
            yield from _ports(container, ("spec", "initContainers", index, "ports"))


def _ports(container: Container, path: FieldPath) -> Iterator[ContainerPort]:
    for number, port in enumerate(container.get("ports") or ()):
        protocol = port.get("protocol") or "TCP"
        yield ContainerPort(port.get("name") or "", protocol, int(port["containerPort"]), (*path, number))


def ready_condition(pod: Pod) -> PodCondition | None:
    return next((each for each in pod.status.get("conditions") or () if each.get("type") == "Ready"), None)


def is_ready(pod: Pod) -> bool:
    """Whether the condition Ready is True."""
    found = ready_condition(pod)
    return found is not None and found.get("status") == "True"
