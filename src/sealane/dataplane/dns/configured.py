"""Servers configured by Corefiles in ConfigMaps: one for each place, kept as the ConfigMap says.

A Corefile that cannot be used changes nothing: the last good one stays, and an Event says what is wrong in which line.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from posixpath import basename, dirname

from sealane.dataplane.dns.corefile import parse
from sealane.dataplane.dns.plugins.chain import Configuration, configuration
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.route import routes
from sealane.dataplane.dns.server import Server
from sealane.dataplane.dns.table import Table
from sealane.dataplane.dns.upstream import Address
from sealane.kube.objects import Key, Object
from sealane.reactive.collections import Change, Collection

log = logging.getLogger(__name__)

FALLBACK = """.:53 {
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    forward . /etc/resolv.conf
    cache 30
    reload
}
"""
"""Where no good Corefile was ever seen."""

Tell = Callable[[Object, str, str, str], None]


@dataclass(frozen=True, slots=True)
class Place:
    """Where a Corefile is: in a ConfigMap, under the name `file`."""

    namespace: str
    name: str
    file: str = "Corefile"

    @property
    def key(self) -> Key:
        """Of the ConfigMap."""
        return Key("", "ConfigMap", self.namespace, self.name)


DEFAULT = Place("kube-system", "coredns")


def place_of(pod: Object) -> Place:
    """The Corefile that a pod's first container with one mounts (`-conf PATH`); kube-system's for a pod without."""
    volumes = {
        volume["name"]: volume["configMap"] for volume in pod.spec.get("volumes") or () if volume.get("configMap")
    }
    for container in pod.spec.get("containers") or ():
        args = [*(container.get("command") or ()), *(container.get("args") or ())]
        given = dict(pairwise(args))
        path = given.get("-conf") or given.get("--conf") or "/etc/coredns/Corefile"
        for mount in container.get("volumeMounts") or ():
            volume = volumes.get(mount["name"])
            if volume is None or mount["mountPath"].rstrip("/") not in (dirname(path), path):
                continue
            items = {item["path"]: item["key"] for item in volume.get("items") or ()}
            file = mount.get("subPath") or basename(path)
            return Place(pod.namespace, volume["name"], items.get(file, file))
    return DEFAULT


class Configured:
    """upstream: what a file in `forward` stands for. table: makes the cluster's names for a `kubernetes` plugin.

    tell: writes an Event about an object: its type, reason and message.
    """

    def __init__(
        self,
        configmaps: Collection[Key, Object],
        upstream: Sequence[Address],
        table: Callable[[Kubernetes], Table],
        tell: Tell,
    ) -> None:
        self._configmaps = configmaps
        self._upstream = upstream
        self._table = table
        self._tell = tell
        self._servers: dict[Place, Server] = {}
        self._used: dict[Place, Configuration] = {}
        self._seen: dict[Place, Mapping[str, str] | None] = {}
        self._unsubscribe = configmaps.subscribe(self._changed)

    def server(self, place: Place) -> Server:
        """The one server of all pods whose Corefile is at `place`."""
        if place not in self._servers:
            self._servers[place] = Server()
            self._read(place)
            if place not in self._used:
                self._use(place, configuration(parse(FALLBACK)))
        return self._servers[place]

    async def close(self) -> None:
        self._unsubscribe()
        for server in self._servers.values():
            await server.close()

    def _changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        for change in changes:
            for place in [one for one in self._servers if one.key == change.key]:
                self._read(place)

    def _read(self, place: Place) -> None:
        """Takes over what the ConfigMap says, if it is new and good."""
        found = self._configmaps.get(place.key)
        data: Mapping[str, str] | None = None if found is None else found.raw.get("data") or {}
        if place in self._seen and self._seen[place] == data:
            return
        self._seen[place] = data
        used = self._used.get(place)
        if found is None or data is None:  # A mounted file stays as it was, too.
            log.warning("there is no ConfigMap %s/%s", place.namespace, place.name)
            return
        if used is not None and not used.reload:
            log.info("%s/%s changed; without the reload plugin it is not read", place.namespace, place.name)
            return
        try:
            if place.file not in data:
                raise ValueError(f"there is no {place.file} in it")
            self._use(place, configuration(parse(data[place.file], place.file, data), data))
        except ValueError as error:
            kept = "the configuration before" if used is not None else "a default configuration"
            log.error("ConfigMap %s/%s: %s: %s stays in use", place.namespace, place.name, error, kept)
            self._tell(found, "Warning", "BadCorefile", f"{error}: {kept} stays in use")
            return
        log.info("configured by ConfigMap %s/%s", place.namespace, place.name)
        for warning in self._used[place].warnings:
            log.warning("ConfigMap %s/%s: %s", place.namespace, place.name, warning)
            self._tell(found, "Warning", "CorefilePartlyUsed", warning)

    def _use(self, place: Place, made: Configuration) -> None:
        self._servers[place].configure(routes(made, self._upstream, self._table))
        self._used[place] = made
