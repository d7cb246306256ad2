"""Which objects of a collection a list or a watch is about: namespace, label selector, field selector.

Fields that can be selected on: https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any

from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object
from sealane.kube.selectors import LabelSelector

_EVERYWHERE = frozenset({"metadata.name", "metadata.namespace"})
_INVOLVED = frozenset(
    f"involvedObject.{field}"
    for field in ("kind", "namespace", "name", "uid", "apiVersion", "resourceVersion", "fieldPath")
)
_REGARDING = {f"regarding.{name.partition('.')[2]}": tuple(name.split(".")) for name in _INVOLVED}
FIELDS: Mapping[tuple[str, str], frozenset[str]] = {
    ("", "Pod"): frozenset(
        {
            "spec.nodeName",
            "spec.restartPolicy",
            "spec.schedulerName",
            "spec.serviceAccountName",
            "spec.hostNetwork",
            "status.phase",
            "status.podIP",
            "status.podIPs",
            "status.nominatedNodeName",
        }
    ),
    ("", "Event"): _INVOLVED | {"reason", "reportingComponent", "source", "type"},
    ("events.k8s.io", "Event"): frozenset({*_REGARDING, "reason", "reportingController", "type"}),
    ("", "Secret"): frozenset({"type"}),
    ("", "Node"): frozenset({"spec.unschedulable"}),
    ("", "Namespace"): frozenset({"status.phase"}),
    ("", "Service"): frozenset({"spec.clusterIP", "spec.type"}),
    ("", "ReplicationController"): frozenset({"status.replicas"}),
    ("apps", "ReplicaSet"): frozenset({"status.replicas"}),
    ("batch", "Job"): frozenset({"status.successful"}),
    ("certificates.k8s.io", "CertificateSigningRequest"): frozenset({"spec.signerName"}),
}
_RENAMED: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "": {"status.podIPs": ("status", "podIP")},
    "batch": {"status.successful": ("status", "succeeded")},
    "events.k8s.io": {**_REGARDING, "reportingController": ("reportingComponent",)},
}
"""Group → field → where it is in the object as it is stored."""


@dataclass(frozen=True, slots=True)
class FieldTerm:
    path: tuple[str, ...]
    value: str
    equal: bool

    def matches(self, found: Object) -> bool:
        return (_field(found.raw, self.path) == self.value) is self.equal


@dataclass(frozen=True, slots=True)
class Selection:
    """namespace None: all of them."""

    namespace: str | None = None
    labels: LabelSelector = field(default_factory=LabelSelector)
    fields: tuple[FieldTerm, ...] = ()

    @property
    def everything(self) -> bool:
        return self.namespace is None and self.narrow is False

    @property
    def narrow(self) -> bool:
        """Whether objects have to be looked at one by one."""
        return bool(self.labels.requirements or self.fields)

    def matches(self, found: Object) -> bool:
        if self.namespace is not None and found.key.namespace != self.namespace:
            return False
        if self.labels.requirements and not self.labels.matches(found.labels):
            return False
        return all(term.matches(found) for term in self.fields)


@lru_cache(maxsize=1024)
def select(
    kind: Kind, namespace: str | None, labels: str, fields: str, selectable: frozenset[str] = frozenset()
) -> Selection:
    """selectable: fields of a custom kind that can be selected on.

    Raises ApiError 400 for a selector that cannot be read or a field that cannot be selected on.
    """
    try:
        parsed = LabelSelector.parse(labels)
    except ValueError as error:
        raise ApiError(400, "BadRequest", str(error)) from None
    if not kind.namespaced:
        namespace = None
    return Selection(namespace or None, parsed, tuple(_terms(kind, fields, selectable)))


def _terms(kind: Kind, fields: str, selectable: frozenset[str]) -> list[FieldTerm]:
    found: list[FieldTerm] = []
    allowed = _EVERYWHERE | selectable | FIELDS.get((kind.group, kind.kind), frozenset())
    for part in filter(None, (part.strip() for part in fields.split(","))):
        name, sign, value = part.partition("!=")
        equal = not sign
        if equal:
            name, sign, value = part.partition("==" if "==" in part else "=")
        if not sign:
            raise ApiError(400, "BadRequest", f"invalid selector: {fields!r}; can't understand {part!r}")
        name = name.strip()
        if name not in allowed:
            raise ApiError(400, "BadRequest", _unsupported(kind, name))
        found.append(FieldTerm(_RENAMED.get(kind.group, {}).get(name) or tuple(name.split(".")), value.strip(), equal))
    return found


def _unsupported(kind: Kind, name: str) -> str:
    """Kinds with fields of their own say it in their own words; the others in those of all."""
    if (kind.group, kind.kind) in FIELDS or kind.group.count("."):
        return f"field label not supported: {name}"
    return f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'


def _field(raw: Mapping[str, Any], path: tuple[str, ...]) -> str:
    value: Any = raw
    for part in path:
        value = value.get(part) if isinstance(value, Mapping) else None
    if path == ("source",):  # of an Event: its component, or in new ones the controller
        value = (value or {}).get("component") or raw.get("reportingComponent")
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)
