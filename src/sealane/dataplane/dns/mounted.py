"""The ConfigMaps of a pod's Corefile, and the contents of the files that they are mounted as. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import pairwise
from posixpath import join

from sealane.kube.objects import Key, Object, Raw

COREFILE = "/etc/coredns/Corefile"
CONFIG_FLAGS = ("-conf", "--conf")


@dataclass(frozen=True, slots=True)
class Mount:
    """A ConfigMap in a container. path: the directory, or with `file` (subPath) the one file's path.

    items: key and path of what is mounted of it, None for all.
    """

    configmap: str
    path: str
    items: tuple[tuple[str, str], ...] | None = None
    file: str = ""
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Place:
    """The place of a Corefile. path: in the container. environment: the values of `{$NAME}`.

    variant: what else tells those apart who make different things of the same Corefile.
    """

    namespace: str
    mounts: tuple[Mount, ...]
    path: str = COREFILE
    environment: tuple[tuple[str, str], ...] = ()
    variant: str = ""

    @property
    def keys(self) -> tuple[Key, ...]:
        """Of its ConfigMaps."""
        return tuple(Key("", "ConfigMap", self.namespace, mount.configmap) for mount in self.mounts)

    @property
    def source(self) -> Mount | None:
        """The mount that holds the Corefile itself."""
        for mount in self.mounts:
            if self.path == mount.path or self.path.startswith(mount.path.rstrip("/") + "/"):
                return mount
        return None


DEFAULT = Place("kube-system", (Mount("coredns", "/etc/coredns", (("Corefile", "Corefile"),)),))


def place_of(
    pod: Object,
    environment: Mapping[str, str] | None = None,
    flags: Sequence[str] = CONFIG_FLAGS,
    default: Place = DEFAULT,
) -> Place:
    """The Corefile that a pod's first container with one mounts (at the path of one of `flags`), else `default`.

    environment: the container's variables.
    """
    variables = tuple(sorted((environment or {}).items()))
    volumes = {
        volume["name"]: volume["configMap"] for volume in pod.spec.get("volumes") or () if volume.get("configMap")
    }
    for container in pod.spec.get("containers") or ():
        mounts = tuple(
            _mount(mount, volumes[mount["name"]])
            for mount in container.get("volumeMounts") or ()
            if mount["name"] in volumes
        )
        place = Place(pod.namespace, mounts, flag(container, flags) or default.path, variables)
        if place.source is not None:
            return place
    return replace(default, environment=variables)


def flag(container: Raw, names: Sequence[str]) -> str:
    """The value of a command-line flag, written "-name value" or "-name=value"; "" without."""
    args = [*(container.get("command") or ()), *(container.get("args") or ())]
    for word, following in pairwise([*args, ""]):
        name, equals, value = word.partition("=")
        if name in names:
            return str(value if equals else following)
    return ""


def files_of(place: Place, find: Callable[[Key], Object | None]) -> dict[str, str]:
    """Text by path of all that is mounted. Raises LookupError naming a ConfigMap that is not there."""
    found: dict[str, str] = {}
    for mount, key in zip(place.mounts, place.keys, strict=True):
        configmap = find(key)
        if configmap is None:
            if mount.optional:
                continue
            raise LookupError(f"there is no ConfigMap {key.namespace}/{key.name}")
        data: Mapping[str, str] = configmap.raw.get("data") or {}
        items = mount.items if mount.items is not None else tuple((name, name) for name in data)
        for name, path in items:
            if name in data and (not mount.file or path == mount.file):
                found[mount.path if mount.file else join(mount.path, path)] = data[name]
    return found


def _mount(mount: Raw, volume: Raw) -> Mount:
    items = volume.get("items")
    return Mount(
        volume["name"],
        mount["mountPath"].rstrip("/"),
        tuple((item["key"], item["path"]) for item in items) if items is not None else None,
        mount.get("subPath") or "",
        bool(volume.get("optional")),
    )
