"""Objects: raw JSON kept whole, and the place it came from."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Generic, NamedTuple

import msgspec

if TYPE_CHECKING:
    from typing_extensions import TypeVar

    from sealane.kube.shapes.meta_v1 import ObjectMeta

    RawT = TypeVar("RawT", bound=Mapping[str, Any], default=Any)
    SpecT = TypeVar("SpecT", default=Any)
    StatusT = TypeVar("StatusT", default=Any)
else:
    from typing import TypeVar

    RawT, SpecT, StatusT = TypeVar("RawT"), TypeVar("SpecT"), TypeVar("StatusT")

Raw = dict[str, Any]
"""The JSON of an object as Python values. Treated as immutable once it is inside an `Object`."""


def canonical_version(api_version: str) -> str:
    """An apiVersion as it is written: "/v1" is the core group's "v1".

    Source: ParseGroupVersion in k8s.io/apimachinery/pkg/runtime/schema.
    """
    return api_version[1:] if api_version[:1] == "/" and api_version.count("/") == 1 else api_version


class Key(NamedTuple):
    """The identity of an object: API group ("" for core), kind, namespace ("" for cluster scope), name."""

    group: str
    kind: str
    namespace: str
    name: str

    def __str__(self) -> str:
        return f"{self.kind} {self.namespace}/{self.name}" if self.namespace else f"{self.kind} {self.name}"


class Origin(msgspec.Struct, frozen=True):
    """The origin of an object.

    file: path as the user wrote it, or "" for objects from an API server.
    line: 1-based line of the document's first key.
    lines: 1-based line of each field path, e.g. ("spec", "ports", 0, "port") -> 12. Empty for API objects.
    """

    file: str = ""
    line: int = 0
    lines: Mapping[tuple[str | int, ...], int] = msgspec.field(default_factory=dict)

    def at(self, *path: str | int) -> str:
        """ "file:line" of the deepest known prefix of `path`; "" when there is no file."""
        if not self.file:
            return ""
        for end in range(len(path), 0, -1):
            line = self.lines.get(path[:end])
            if line:
                return f"{self.file}:{line}"
        return f"{self.file}:{self.line}"


def without_nulls(value: Any) -> Any:
    """JSON without the fields that are null: the API reads `rules: null` as if `rules` were not written.

    A value without nulls, as nearly all are, is given back as it is.
    """
    return _stripped(value) if _has_nulls(value) else value


def _has_nulls(value: Any) -> bool:
    """Whether it may have some: asked of the encoder, which is many times as fast as a walk through the values."""
    try:
        return b"null" in msgspec.json.encode(value)
    except (TypeError, ValueError, msgspec.MsgspecError):
        return True  # no JSON, as YAML can be


def _stripped(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _stripped(item) for key, item in value.items() if item is not None}
    if isinstance(value, list):
        return [_stripped(item) for item in value]
    return value


class Object(Generic[RawT, SpecT, StatusT]):
    """A Kubernetes object. Immutable by agreement; equal when its JSON is equal.

    `namespace` and `labels` are what the reactive filters read. A type checker sees the fields of a kind in an argument
    that is annotated with the kind's name of `kube.shapes`, and no field of a plain `Object`.
    """

    __slots__ = ("key", "labels", "origin", "raw")

    raw: RawT

    def __init__(self, raw: Raw, origin: Origin | None = None) -> None:
        meta: Mapping[str, Any] = raw.get("metadata") or {}
        api_version: str = raw.get("apiVersion", "")
        group = api_version.rpartition("/")[0]
        self.raw = raw  # type: ignore[assignment]
        self.origin = origin
        self.key = Key(group, raw.get("kind", ""), meta.get("namespace") or "", meta.get("name") or "")
        self.labels: Mapping[str, str] = meta.get("labels") or {}

    @property
    def name(self) -> str:
        return self.key.name

    @property
    def namespace(self) -> str:
        return self.key.namespace

    @property
    def kind(self) -> str:
        return self.key.kind

    @property
    def metadata(self) -> ObjectMeta:
        found: ObjectMeta | None = self.raw.get("metadata")
        return found or {}

    @property
    def spec(self) -> SpecT:
        return self.raw.get("spec") or {}  # type: ignore[return-value]

    @property
    def status(self) -> StatusT:
        return self.raw.get("status") or {}  # type: ignore[return-value]

    @property
    def annotations(self) -> Mapping[str, str]:
        return self.metadata.get("annotations") or {}

    @property
    def uid(self) -> str:
        return self.metadata.get("uid") or ""

    @property
    def resource_version(self) -> str:
        return self.metadata.get("resourceVersion") or ""

    @property
    def deleting(self) -> bool:
        return bool(self.metadata.get("deletionTimestamp"))

    def __eq__(self, other: object) -> bool:
        if self is other:
            return True
        if not isinstance(other, Object) or self.key != other.key:
            return False
        version = self.resource_version
        if version and self.uid and version == other.resource_version and self.uid == other.uid:
            return True
        return bool(self.raw == other.raw)

    def __hash__(self) -> int:
        return hash(self.key)

    def __repr__(self) -> str:
        return f"<{self.key} rv={self.resource_version or '-'}>"
