"""The definition of every kind with facts. A family is imported when the first of its kinds is asked for."""

from __future__ import annotations

from importlib import import_module

from sealane.kube.kinds import FAMILIES, KNOWN
from sealane.kube.kinds.definition import CUSTOM, Definition

_FAMILY_OF = {(kind.group, kind.kind): family for family, kinds in FAMILIES.items() for kind in kinds}
_FOUND: dict[tuple[str, str], Definition] = {}


def definition(group: str, kind: str) -> Definition:
    """Of a kind in any of its versions; `CUSTOM` for any other."""
    key = (group, kind)
    found = _FOUND.get(key)
    if found is None:
        family = _FAMILY_OF.get(key)
        if family is None:
            return CUSTOM
        rows: tuple[Definition, ...] = import_module(f"sealane.kube.kinds.{family}.rows").ROWS
        _FOUND.update({(row.kind.group, row.kind.kind): row for row in rows})
        found = _FOUND[key]
    return found


def every() -> list[Definition]:
    """In the order of the families; imports them all."""
    return list({(kind.group, kind.kind): definition(kind.group, kind.kind) for kind in KNOWN}.values())
