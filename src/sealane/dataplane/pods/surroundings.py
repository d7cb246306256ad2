"""The parts that the lives of all pods of this agent share."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Protocol

import msgspec

from sealane.dataplane.linux.handoff import Giver
from sealane.dataplane.pods.environment import PATH
from sealane.dataplane.pods.files import References
from sealane.dataplane.pods.nodes import Node
from sealane.dataplane.pods.rootfs import covered, is_shown
from sealane.dataplane.pods.spawning import Spawner
from sealane.dataplane.pods.tokens import Token, Tokens, Wanted
from sealane.kube.client.protocol import Client
from sealane.kube.kinds import CONFIGMAP, POD, SECRET, SERVICE
from sealane.kube.objects import Key, Object
from sealane.kube.selectors import LabelSelector
from sealane.network.addresses import DNS_SERVICE
from sealane.reactive.collections import Collection, Selected
from sealane.reactive.objects import Objects
from sealane.reactive.recorder import Recorder

_EVERYTHING = LabelSelector()
_KUBERNETES = Key("", SERVICE.kind, "default", "kubernetes")
_DNS = Key("", SERVICE.kind, "kube-system", "kube-dns")


class Sources(msgspec.Struct, frozen=True):
    """The objects of the API that the agent follows."""

    pods: Collection[Key, Object]
    services: Collection[Key, Object]
    configmaps: Collection[Key, Object]
    secrets: Collection[Key, Object]

    @classmethod
    def of(cls, objects: Objects) -> Sources:
        return cls(objects[POD], objects[SERVICE], objects[CONFIGMAP], objects[SECRET])


class Policing(Protocol):
    """Isolates pods as policies say. `admit` returns when that is done for a pod that gets these addresses.

    `flows_to`: does a Service keep flows of UDP to one of them? `left` returns when no node sends such flows there.
    """

    async def admit(self, pod: Key, uid: str, addresses: tuple[str, ...]) -> None: ...

    def dismiss(self, pod: Key, uid: str) -> None: ...

    def flows_to(self, addresses: tuple[str, ...]) -> bool: ...

    async def left(self, addresses: tuple[str, ...]) -> None: ...


class Surroundings(msgspec.Struct, frozen=True):
    """hide: host directories that programs in pods see empty, such as the cluster's state folder.
    show: host directories that they see although pods have a /tmp and /run of their own (`rootfs.to_show`).

    policing: nothing in a pod starts before it has admitted the pod. None: there are no policies.
    strict_probes: exec probes and hooks of stand-ins run on the files of this machine instead of succeeding.
    allow_host: privileged containers are so on the host.
    path: where programs without a slash are looked for, by pods and here.
    """

    client: Client
    sources: Sources
    giver: Giver
    spawner: Spawner
    recorder: Recorder
    run_dir: Path
    log_dir: Path
    tokens: Tokens
    hide: tuple[str, ...] = ()
    show: tuple[str, ...] = ()
    policing: Policing | None = None
    strict_probes: bool = False
    allow_host: bool = False
    path: str = PATH

    def references(
        self, pod: Object, ips: tuple[str, ...], node: Node, tokens: Mapping[Wanted, Token] | None = None
    ) -> References:
        namespace = pod.namespace
        sources = self.sources
        return References(
            pod,
            ips,
            node.ips,
            lambda name: sources.configmaps.get(Key("", CONFIGMAP.kind, namespace, name)),
            lambda name: sources.secrets.get(Key("", SECRET.kind, namespace, name)),
            tokens,
        )

    def services(self, namespace: str) -> Iterable[Object]:
        """Those whose variables a pod of `namespace` gets."""
        found = self.sources.services.select(Selected(namespace, _EVERYTHING))
        kubernetes = self.sources.services.get(_KUBERNETES)
        if kubernetes is not None and namespace != "default":
            found.append(kubernetes)
        return found

    def services_in(self, namespace: str) -> Sequence[Object]:
        return self.sources.services.select(Selected(namespace, _EVERYTHING))

    def dns_servers(self) -> list[str]:
        """Addresses of the cluster's DNS Service."""
        service = self.sources.services.get(_DNS)
        addresses = service.spec.get("clusterIPs") if service is not None else None
        return list(addresses or [str(DNS_SERVICE[0])])

    def pod_dir(self, uid: str) -> Path:
        return self.run_dir / "pods" / uid

    def log_path(self, uid: str, container: str, *, previous: bool = False) -> Path:
        return self.log_dir / f"{uid}_{container}{'.previous' if previous else ''}.log"

    def on_machine(self, program: str) -> bool:
        """Whether a program (a name, or a path) can be run here."""
        if "/" in program:
            return os.path.isfile(program) and os.access(program, os.X_OK)
        return shutil.which(program, path=self.path) is not None


def search_path(given: str, show: Sequence[str]) -> str:
    """The PATH of pods in a cluster that was started with the PATH `given`: its directories that pods see, in their
    order, and then the usual ones. show: as of Surroundings.
    """
    seen = [each for each in given.split(":") if each.startswith("/") and (not covered(each) or is_shown(each, show))]
    return ":".join(dict.fromkeys([*seen, *PATH.split(":")]))


def host_file(name: str) -> str:
    """A file of the host's /etc, "" when it has none."""
    try:
        return (Path("/etc") / name).read_text()
    except OSError:
        return ""
