"""Which kinds are served: the built-in ones, and those that CustomResourceDefinitions add while the cluster runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from sealane.apiserver.errors import no_path
from sealane.apiserver.store import Resource
from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object, Raw

NAMESPACES: Resource = ("", "namespaces")
DEFINITIONS: Resource = ("apiextensions.k8s.io", "customresourcedefinitions")

GROUPS_WITH_GENERATION = frozenset({"apps", "networking.k8s.io", "discovery.k8s.io", "apiextensions.k8s.io"})


@dataclass(frozen=True, slots=True)
class Column:
    """An additionalPrinterColumn of a CRD version."""

    name: str
    type: str
    path: str
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class ScalePaths:
    """Where a custom kind keeps what its scale subresource shows; selector () when it shows none."""

    replicas: tuple[str, ...]
    status_replicas: tuple[str, ...]
    selector: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> ScalePaths:
        """spec.versions[].subresources.scale of a CustomResourceDefinition; the paths are simple: .spec.replicas"""
        names = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
        paths = [tuple(str(raw.get(name) or "").strip(".").split(".")) for name in names]
        return cls(paths[0], paths[1], () if paths[2] == ("",) else paths[2])


@dataclass(frozen=True, slots=True)
class Served:
    """One served version of a kind. storage: the version in which its objects are kept. custom: it comes from a CRD."""

    kind: Kind
    storage: Kind
    custom: bool = False
    columns: tuple[Column, ...] = ()
    scale: ScalePaths | None = None
    singular: str = ""

    @property
    def resource(self) -> Resource:
        return (self.kind.group, self.kind.plural)

    @property
    def has_status(self) -> bool:
        return "status" in self.kind.subresources

    @property
    def has_generation(self) -> bool:
        """Core kinds count no generations, except Pod (KEP-5067)."""
        return (
            self.custom
            or self.kind == kinds.POD
            or (self.kind.group in GROUPS_WITH_GENERATION and self.kind != kinds.CONTROLLERREVISION)
            or self.kind.group == "gateway.networking.k8s.io"
        )


class Resources:
    """A registry by group, version and plural. Belongs to one `Api`."""

    def __init__(self, builtin: Iterable[Kind] = kinds.BUILTIN) -> None:
        self._served: dict[tuple[str, str, str], Served] = {}
        self._storage: dict[Resource, Served] = {}
        self.version = 0  # grows with each change: discovery documents are kept until then
        for kind in builtin:
            storage = self._storage.get((kind.group, kind.plural))
            self._add(Served(kind, storage.kind if storage else kind))

    def _add(self, served: Served) -> None:
        kind = served.kind
        self._served[(kind.group, kind.version, kind.plural)] = served
        if served.storage == kind or served.resource not in self._storage:
            self._storage[served.resource] = served
        self.version += 1

    def find(self, group: str, version: str, plural: str) -> Served:
        """Raises ApiError 404 when this is not served."""
        served = self._served.get((group, version, plural))
        if served is None:
            raise no_path()
        return served

    def of(self, kind: Kind) -> Served:
        """What is served as `kind`; a kind of the code base that no CRD has replaced. Raises ApiError 404."""
        return self.find(kind.group, kind.version, kind.plural)

    def stored(self, resource: Resource) -> Served | None:
        """How objects of `resource` are kept; None when their CRD is gone."""
        return self._storage.get(resource)

    def all(self) -> list[Served]:
        return list(self._served.values())

    def define(self, crd: Object) -> None:
        """Serves what a CRD says; built-in kinds of its versions stay as they are."""
        for served in definitions(crd.raw):
            known = self._served.get((served.kind.group, served.kind.version, served.kind.plural))
            if known is None or known.custom:
                self._add(served)

    def undefine(self, crd: Object) -> None:
        for served in definitions(crd.raw):
            key = (served.kind.group, served.kind.version, served.kind.plural)
            known = self._served.get(key)
            if known is not None and known.custom:
                del self._served[key]
                self._storage.pop(served.resource, None)
                self.version += 1


def definitions(crd: Raw) -> list[Served]:
    """The served versions of a CustomResourceDefinition, the storage version first."""
    spec: Mapping[str, Any] = crd.get("spec") or {}
    names = spec.get("names") or {}
    found: list[tuple[Kind, Mapping[str, Any]]] = []
    for version in spec.get("versions") or ():
        kind = Kind(
            str(spec.get("group") or ""),
            str(version.get("name") or ""),
            str(names.get("kind") or ""),
            str(names.get("plural") or ""),
            spec.get("scope") == "Namespaced",
            tuple(names.get("shortNames") or ()),
            tuple(names.get("categories") or ()),
            tuple(sorted(version.get("subresources") or ())),
        )
        found.append((kind, version))
    storage = next((kind for kind, version in found if version.get("storage")), None)
    served = [
        Served(
            kind,
            storage or kind,
            True,
            tuple(
                Column(
                    str(column.get("name")),
                    str(column.get("type")),
                    str(column.get("jsonPath")),
                    str(column.get("description") or ""),
                    int(column.get("priority") or 0),
                )
                for column in version.get("additionalPrinterColumns") or ()
            ),
            ScalePaths.of(scale) if (scale := (version.get("subresources") or {}).get("scale")) else None,
            str(names.get("singular") or ""),
        )
        for kind, version in found
        if version.get("served", True)
    ]
    return sorted(served, key=lambda each: each.kind != storage)
