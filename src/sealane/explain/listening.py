"""The ports on which a pod listens, as far as manifests say it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sealane.explain.world import World
from sealane.kube import kinds
from sealane.kube.objects import Object
from sealane.kube.selectors import LabelSelector
from sealane.network.listening import ports_of
from sealane.network.pods import container_ports
from sealane.network.provenance import Provenance
from sealane.network.standins import STAND_IN_ID, echoes
from sealane.reactive.collections import Selected

_EVERYTHING = LabelSelector()


@dataclass(frozen=True, slots=True)
class Listener:
    """cause: the field that says so: a container's port, or the Gateway whose proxy the pod is."""

    port: int
    protocol: str
    name: str
    cause: Provenance

    def __str__(self) -> str:
        return f"{self.port}/{self.protocol}" + (f" ({self.name})" if self.name else "")


def listeners(world: World, pod: Object) -> list[Listener]:
    """The declared ports of its containers; for a proxy's pod those of the proxy's listeners.

    Where stand-ins run, as the pod's status says, also what else they listen on: see `network.listening`.
    """
    found = [
        Listener(port.number, port.protocol, port.name, Provenance(pod.key, port.path)) for port in container_ports(pod)
    ]
    found += _of_stand_ins(world, pod)
    proxy = world.routing.pods.get(pod.key)
    if proxy is not None:
        keys = sorted(key for key in world.routing.ports if key.proxy == proxy.proxy)
        found += [Listener(key.port, key.transport, "", Provenance(proxy.proxy)) for key in keys]
    return list({(each.port, each.protocol): each for each in reversed(found)}.values())[::-1]


def _of_stand_ins(world: World, pod: Object) -> Iterator[Listener]:
    """The ports of stand-ins that are not declared; name: what says so."""
    statuses = pod.status.get("containerStatuses") or ()
    answered = {each["name"] for each in statuses if str(each.get("imageID") or "").startswith(STAND_IN_ID)}
    if not answered:
        return
    containers = [*(pod.spec.get("containers") or ()), *(pod.spec.get("initContainers") or ())]
    others = frozenset(
        each["name"] for each in containers if each["name"] not in answered or not echoes(each.get("image") or "")
    )
    services = world.network.objects[kinds.SERVICE].select(Selected(pod.namespace, _EVERYTHING))
    for ports in ports_of(pod, services, others).values():
        for port in ports:
            if port.causes:
                yield Listener(port.port, port.protocol, port.causes[0], Provenance(pod.key, ("spec", "containers")))
