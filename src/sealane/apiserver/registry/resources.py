"""The served kinds: the built-in ones, and those that CustomResourceDefinitions add while the cluster runs."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec.structs import replace

from sealane.apiserver.errors import no_path
from sealane.apiserver.storage.backends import Resource
from sealane.kube import kinds
from sealane.kube.crds import is_ours
from sealane.kube.kinds import Kind, version_order
from sealane.kube.kinds.definition import CUSTOM, Definition
from sealane.kube.kinds.table import definition
from sealane.kube.objects import Object, Raw
from sealane.kube.structural.fieldpaths import steps
from sealane.kube.structural.lazy import Lazy

NAMESPACES: Resource = ("", "namespaces")
DEFINITIONS: Resource = ("apiextensions.k8s.io", "customresourcedefinitions")


class Column(msgspec.Struct, frozen=True):
    """An additionalPrinterColumn of a CRD version."""

    name: str
    type: str
    path: str
    description: str = ""
    priority: int = 0
    format: str = ""


class ScalePaths(msgspec.Struct, frozen=True):
    """The paths of the fields that a custom kind's scale subresource shows; selector () when it shows none."""

    replicas: tuple[str, ...]
    status_replicas: tuple[str, ...]
    selector: tuple[str, ...] = ()

    @classmethod
    def of(cls, raw: Mapping[str, Any]) -> ScalePaths:
        """spec.versions[].subresources.scale of a CustomResourceDefinition; the paths are simple: .spec.replicas"""
        names = ("specReplicasPath", "statusReplicasPath", "labelSelectorPath")
        paths = [tuple(str(raw.get(name) or "").strip(".").split(".")) for name in names]
        return cls(paths[0], paths[1], () if paths[2] == ("",) else paths[2])


class Served(msgspec.Struct, frozen=True):
    """One served version of a kind. storage: the version in which its objects are kept. custom: it comes from a CRD.

    schema: of a custom kind; None when the facts hold for its objects (`crds.is_ours`). since: objects up to this
    resourceVersion may have been stored under another definition.
    selectable: fields that lists can select on, e.g. "spec.size". deprecation: what its clients are warned of.
    """

    kind: Kind
    storage: Kind
    custom: bool = False
    columns: tuple[Column, ...] = ()
    scale: ScalePaths | None = None
    singular: str = ""
    list_kind: str = ""
    schema: Lazy | None = None
    since: int = 0
    selectable: frozenset[str] = frozenset()
    deprecation: str = ""

    @property
    def resource(self) -> Resource:
        """The resource under which its objects are kept."""
        return (self.storage.group, self.storage.plural)

    @property
    def called(self) -> Resource:
        """The name that clients use; not `resource` where objects of another group's kind are shown."""
        return (self.kind.group, self.kind.plural)

    @property
    def has_status(self) -> bool:
        return "status" in self.kind.subresources

    @property
    def by_facts(self) -> bool:
        """Whether its objects are checked and completed by the facts, not by the schema of a CRD."""
        return not self.custom or self.schema is None

    @property
    def definition(self) -> Definition:
        """The `Definition` of its kind."""
        return definition(self.kind.group, self.kind.kind) if self.by_facts else CUSTOM


class Resources:
    """A registry by group, version and plural. Belongs to one `Api`."""

    def __init__(self, builtin: Iterable[Kind] = kinds.BUILTIN) -> None:
        self._served: dict[tuple[str, str, str], Served] = {}
        self._storage: dict[Resource, Served] = {}
        self.version = 0  # grows with each change: discovery documents are kept until then
        for kind in builtin:
            kept = kinds.STORED_AS.get(kind, kind)
            storage = self._storage.get((kept.group, kept.plural))
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

    def define(self, crd: Object, before: Object | None = None, *, empty: bool = True) -> None:
        """Serves what a CRD says.

        before: the CRD that this one replaces. empty: there are no objects yet.
        """
        accepted = _accepted(crd.raw)
        if before is not None and before.spec == crd.spec and _accepted(before.raw) == accepted:
            return  # only its metadata or conditions changed
        if before is not None:
            self._remove(before)
        if not accepted:
            return
        found = definitions(crd.raw)
        for served in found:
            self._add(served if empty else replace(served, since=int(crd.resource_version)))

    def undefine(self, crd: Object) -> None:
        """Serves a CRD's kind no more."""
        self._remove(crd)

    def _remove(self, crd: Object) -> None:
        for key, served in list(self._served.items()):
            if served.custom and served.resource == _resource(crd.raw):
                del self._served[key]
                self._storage.pop(served.resource, None)
                self.version += 1

    def names(self, group: str, besides: Resource) -> tuple[set[str], set[str]]:
        """Names of resources and of kinds that are taken in a group, those of `besides` left out."""
        words, kinds_ = set[str](), set[str]()
        for served in self._served.values():
            if served.kind.group == group and served.called != besides:
                kind = served.kind
                words |= {kind.plural, served.singular or kind.singular, *kind.short_names}
                kinds_ |= {kind.kind, served.list_kind or f"{kind.kind}List"}
        return words, kinds_


def definitions(crd: Raw) -> list[Served]:
    """The served versions of a CustomResourceDefinition, the storage version first."""
    spec: Mapping[str, Any] = crd.get("spec") or {}
    accepted = (crd.get("status") or {}).get("acceptedNames") or spec.get("names") or {}
    found = [(_kind(spec, accepted, version), version) for version in spec.get("versions") or ()]
    ours = is_ours(crd)
    storage = next((kind for kind, version in found if version.get("storage")), None)
    served = [
        _served(kind, storage or kind, version, found, accepted, ours) for kind, version in found if version["served"]
    ]
    return sorted(served, key=lambda each: each.kind != storage)


_Found = tuple[Kind, Mapping[str, Any]]


def _kind(spec: Mapping[str, Any], names: Mapping[str, Any], version: Mapping[str, Any]) -> Kind:
    return Kind(
        str(spec.get("group") or ""),
        str(version.get("name") or ""),
        str(names.get("kind") or ""),
        str(names.get("plural") or ""),
        spec.get("scope") == "Namespaced",
        tuple(names.get("shortNames") or ()),
        tuple(names.get("categories") or ()),
        tuple(sorted(version.get("subresources") or ())),
    )


def _served(
    kind: Kind,
    storage: Kind,
    version: Mapping[str, Any],
    every: Sequence[_Found],
    names: Mapping[str, Any],
    by_facts: bool,
) -> Served:
    scale = (version.get("subresources") or {}).get("scale")
    schema = (version.get("schema") or {}).get("openAPIV3Schema") or {}
    return Served(
        kind,
        storage,
        True,
        tuple(
            Column(
                str(column.get("name")),
                str(column.get("type")),
                str(column.get("jsonPath")),
                str(column.get("description") or ""),
                int(column.get("priority") or 0),
                str(column.get("format") or ""),
            )
            for column in version.get("additionalPrinterColumns") or ()
        ),
        ScalePaths.of(scale) if scale else None,
        str(names.get("singular") or ""),
        str(names.get("listKind") or ""),
        None if by_facts else Lazy(schema),
        selectable=frozenset(
            ".".join(steps(str(each.get("jsonPath")))) for each in version.get("selectableFields") or ()
        ),
        deprecation=_deprecation(kind, version, every),
    )


def _deprecation(kind: Kind, version: Mapping[str, Any], every: Sequence[_Found]) -> str:
    """The text of a definition, or which version to use: of those served and not deprecated the most stable."""
    if not version.get("deprecated"):
        return ""
    if version.get("deprecationWarning") is not None:
        return str(version["deprecationWarning"])
    said = f"{kind.api_version} {kind.kind} is deprecated"
    better = [each.version for each, found in every if found.get("served") and not found.get("deprecated")]
    better = sorted((each for each in better if version_order(each) < version_order(kind.version)), key=version_order)
    return f"{said}; use {kind.group}/{better[0]} {kind.kind}" if better else said


def _resource(crd: Raw) -> Resource:
    spec = crd.get("spec") or {}
    return (str(spec.get("group") or ""), str((spec.get("names") or {}).get("plural") or ""))


def _accepted(crd: Raw) -> bool:
    """Whether a CRD's kind is served: its names once were accepted."""
    conditions = (crd.get("status") or {}).get("conditions") or ()
    return any(each.get("type") == "Established" and each.get("status") == "True" for each in conditions)
