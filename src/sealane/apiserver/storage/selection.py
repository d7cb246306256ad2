"""The objects of a collection that a list or a watch selects: namespace, label selector, field selector.

Fields that can be selected on: https://kubernetes.io/docs/concepts/overview/working-with-objects/field-selectors/
"""

from __future__ import annotations

from functools import lru_cache

import msgspec

from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.kinds.definition import Field, fields
from sealane.kube.kinds.table import definition
from sealane.kube.objects import Object
from sealane.kube.selectors import LabelSelector

_EVERYWHERE = fields("metadata.name", "metadata.namespace")


class FieldTerm(msgspec.Struct, frozen=True):
    field: Field
    value: str
    equal: bool

    def matches(self, found: Object) -> bool:
        return (self.field.of(found.raw) == self.value) is self.equal


class Selection(msgspec.Struct, frozen=True):
    """namespace None: all of them."""

    namespace: str | None = None
    labels: LabelSelector = LabelSelector()
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


def _terms(kind: Kind, text: str, selectable: frozenset[str]) -> list[FieldTerm]:
    found: list[FieldTerm] = []
    own = definition(kind.group, kind.kind).selectable
    allowed = {**fields(*selectable), **own, **_EVERYWHERE}
    for part in filter(None, (part.strip() for part in text.split(","))):
        name, sign, value = part.partition("!=")
        equal = not sign
        if equal:
            name, sign, value = part.partition("==" if "==" in part else "=")
        if not sign:
            raise ApiError(400, "BadRequest", f"invalid selector: {text!r}; can't understand {part!r}")
        name = name.strip()
        if name not in allowed:
            raise ApiError(400, "BadRequest", _unsupported(kind, name))
        found.append(FieldTerm(allowed[name], value.strip(), equal))
    return found


def _unsupported(kind: Kind, name: str) -> str:
    """Kinds with fields of their own say it in their own words; the others in those of all."""
    if definition(kind.group, kind.kind).selectable or kind.group.count("."):
        return f"field label not supported: {name}"
    return f'"{name}" is not a known field selector: only "metadata.name", "metadata.namespace"'
