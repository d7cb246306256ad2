"""Which ports of a pod something listens on, as far as anyone says."""

from __future__ import annotations

from dataclasses import dataclass

from sealane.explain.world import World
from sealane.kube.objects import Object
from sealane.network.pods import container_ports
from sealane.network.provenance import Provenance


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
    """The declared ports of its containers; for a proxy's pod those of the proxy's listeners."""
    found = [
        Listener(port.number, port.protocol, port.name, Provenance(pod.key, port.path)) for port in container_ports(pod)
    ]
    proxy = world.routing.pods.get(pod.key)
    if proxy is not None:
        ports = sorted(key.port for key in world.routing.ports if key.proxy == proxy.proxy)
        found += [Listener(port, "TCP", "", Provenance(proxy.proxy)) for port in ports]
    return list({(each.port, each.protocol): each for each in found}.values())
