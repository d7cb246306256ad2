"""The field and object from which a model value was made, so that every answer can point at a line of YAML."""

from __future__ import annotations

from typing import NamedTuple

from sealane.kube.objects import Key, Origin

FieldPath = tuple[str | int, ...]


class Provenance(NamedTuple):
    """key: the object. path: the field in it, e.g. ("spec", "ports", 0, "nodePort"); empty for the whole object."""

    key: Key
    path: FieldPath = ()

    def at(self, origin: Origin | None) -> str:
        """ "file:line" of the field, given the object's origin; "" for an object from an API server."""
        return origin.at(*self.path) if origin else ""

    def __str__(self) -> str:
        field = "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in self.path)
        return f"{self.key} {field.lstrip('.')}".rstrip()
