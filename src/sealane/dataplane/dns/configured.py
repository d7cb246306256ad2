"""Servers configured by Corefiles in ConfigMaps, kept as the ConfigMaps say.

A Corefile that cannot be used changes nothing: the last good one stays, and an Event says what is wrong in which line.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from sealane.dataplane.dns.corefile import parse
from sealane.dataplane.dns.instance import Instance
from sealane.dataplane.dns.mounted import DEFAULT, Place, files_of
from sealane.dataplane.dns.plugins.chain import Configuration, configuration
from sealane.dataplane.dns.program import MakeTable, Program
from sealane.kube.objects import Key, Object
from sealane.reactive.collections import Change, Collection

log = logging.getLogger(__name__)

FALLBACK = """.:53 {
    errors
    health {
        lameduck 5s
    }
    ready
    kubernetes cluster.local in-addr.arpa ip6.arpa {
        pods insecure
        fallthrough in-addr.arpa ip6.arpa
    }
    prometheus :9153
    forward . /etc/resolv.conf
    cache 30
    loop
    reload
    loadbalance
}
"""
"""Where no good Corefile was ever seen."""

Tell = Callable[[Object, str, str, str], None]
Edit = Callable[[str], str]
"""What is done to a Corefile before it is read."""


@dataclass(slots=True)
class _Used:
    """The state of one place. seen: the files that were read last, whether good or not, the Corefile edited.

    fallback: the Corefile of a place that has none.
    """

    edit: Edit
    fallback: str
    program: Program | None = None
    seen: dict[str, str] | None = None
    default: bool = True
    failed: int = 0
    instances: dict[str, Instance] = field(default_factory=dict)


class Configured:
    """table: makes the cluster's names for a `kubernetes` plugin. tell: writes an Event about an object: its type,
    reason and message.
    """

    def __init__(self, configmaps: Collection[Key, Object], table: MakeTable, tell: Tell) -> None:
        self._configmaps = configmaps
        self._table = table
        self._tell = tell
        self._used: dict[Place, _Used] = {}
        self._unsubscribe = configmaps.subscribe(self._changed)

    def add(self, instance: Instance, place: Place, edit: Edit = str, fallback: str = FALLBACK) -> None:
        """Runs `instance` as the Corefile at `place` says, now and from now on. edit: what is done to it first."""
        used = self._used.get(place)
        if used is None:
            used = self._used[place] = _Used(edit, fallback)
            self._read(place, used)
        if used.program is None:
            used.program = Program(configuration(parse(edit(fallback))), self._table)
        used.instances[instance.id] = instance
        instance.use(used.program, failed=used.failed)

    def remove(self, instance: Instance) -> None:
        for place, used in list(self._used.items()):
            used.instances.pop(instance.id, None)
            if not used.instances and place.mounts != DEFAULT.mounts:
                self._end(used.program)
                del self._used[place]

    def edited(self) -> None:
        """The effects of edits may be different now."""
        for place, used in self._used.items():
            if used.edit is not str:
                self._read(place, used)

    def close(self) -> None:
        self._unsubscribe()
        for used in self._used.values():
            self._end(used.program)

    @staticmethod
    def _end(program: Program | None) -> None:
        if program is not None:
            program.close()

    def _changed(self, changes: Sequence[Change[Key, Object]]) -> None:
        changed = {change.key for change in changes}
        for place, used in self._used.items():
            if not changed.isdisjoint(place.keys):
                self._read(place, used)

    def _read(self, place: Place, used: _Used) -> None:
        """Takes over what the ConfigMaps say, if it is new and good."""
        try:
            files = files_of(place, self._configmaps.get) if place.source else {place.path: used.fallback}
        except LookupError as error:  # A mounted file stays as it was, too.
            log.warning("%s", error)
            return
        if place.path in files:
            files[place.path] = used.edit(files[place.path])
        if used.seen == files:
            return
        used.seen = files
        name = f"{place.namespace}/{place.source.configmap if place.source else ''}"
        if used.program is not None and not used.default and not used.program.configuration.reload:
            log.info("%s changed; without the reload plugin it is not read", name)
            return
        about = self._object(place)
        try:
            made = self._configuration(place, files)
            old, used.program, used.default = used.program, Program(made, self._table, _digest(files, place)), False
        except ValueError as error:
            used.failed += 1
            kept = "a default configuration" if used.default else "the configuration before"
            log.error("ConfigMap %s: %s: %s stays in use", name, error, kept)
            if about is not None:
                self._tell(about, "Warning", "BadCorefile", f"{error}: {kept} stays in use")
            for instance in used.instances.values():
                instance.refused(str(error))
            return
        log.info("configured by ConfigMap %s", name)
        for warning in made.warnings:
            log.warning("ConfigMap %s: %s", name, warning)
            if about is not None:
                self._tell(about, "Warning", "CorefilePartlyUsed", warning)
        for instance in used.instances.values():
            instance.use(used.program, failed=used.failed)
        self._end(old)

    def _configuration(self, place: Place, files: dict[str, str]) -> Configuration:
        text = files.get(place.path)
        file = place.path.rpartition("/")[2]
        if text is None:
            raise ValueError(f"there is no {file} in it")
        folder = place.path.rpartition("/")[0]
        blocks = parse(text, file, files, dict(place.environment), folder)
        return configuration(blocks, {path.rpartition("/")[2]: held for path, held in files.items()})

    def _object(self, place: Place) -> Object | None:
        """The ConfigMap that holds the Corefile."""
        if place.source is None:
            return None
        return self._configmaps.get(Key("", "ConfigMap", place.namespace, place.source.configmap))


def _digest(files: dict[str, str], place: Place) -> str:
    return hashlib.sha512(files.get(place.path, "").encode()).hexdigest()
