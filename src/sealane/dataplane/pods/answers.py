"""Answers of the containers of a pod, all together: their images, and the ports of `network.listening`. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping

from sealane.dataplane.pods import images
from sealane.dataplane.pods.images import Answer, Port, Run, StandIn
from sealane.kube.objects import Object, Raw
from sealane.network.listening import ports_of


def answers(
    pod: Object,
    services: Iterable[Object],
    on_machine: Callable[[str], bool],
    lacking: Mapping[str, str] | None = None,
) -> dict[str, Answer]:
    """Container → answer. services: of the pod's namespace. lacking: container → why it cannot be run, see `images`."""
    lacking = lacking or {}
    ends = any(owner.get("kind") == "Job" for owner in pod.metadata.get("ownerReferences") or ())
    found: dict[str, Answer] = {}
    raws: dict[str, Raw] = {}
    for key in ("initContainers", "containers", "ephemeralContainers"):
        for raw in pod.spec.get(key) or ():
            sidecar = key == "initContainers" and raw.get("restartPolicy") == "Always"
            name = raw["name"]
            raws[name] = raw
            found[name] = images.answer(
                raw,
                on_machine,
                init=key == "initContainers" and not sidecar,
                ends=ends and key == "containers",
                lacking=lacking.get(name, ""),
            )
    programs = frozenset(name for name, answer in found.items() if isinstance(answer, Run))
    for name, ports in ports_of(pod, services, programs).items():
        before = found[name]
        if isinstance(before, StandIn) and before.echoes:
            heard = [Port(each.protocol, each.port, each.name, causes=each.causes) for each in ports]
            found[name] = images.answer(raws[name], on_machine, lacking=lacking.get(name, ""), ports=heard)
    return found
