"""Bounds on the depth and size of values that clients send.

Go's encoding/json stops at 10,000 levels; here every walk over values is a recursion, so they end earlier.
"""

from __future__ import annotations

from typing import Any

DEEPEST = 200
"""Levels of objects and arrays in one value."""

_FEW_ALIASES = 1000
_SMALL, _LARGE = 400_000, 4_000_000
"""Nodes of a YAML document, aliases written out: of a small one 99 % may come from aliases, of a large one 10 %."""


def too_deep(value: Any) -> bool:
    """Whether `value` (JSON values) has more than DEEPEST levels."""
    level: list[Any] = [value] if isinstance(value, dict | list) else []
    for _ in range(DEEPEST):
        if not level:
            return False
        level = [
            each
            for outer in level
            for each in (outer.values() if isinstance(outer, dict) else outer)
            if isinstance(each, dict | list)
        ]
    return bool(level)


def yaml_problem(data: bytes) -> str:
    """Why the document in `data` is not read, or "": too many levels, or aliases that write out to too much.

    The rule for aliases is that of go-yaml (decode.go, allowedAliasRatio). Raises yaml.YAMLError.
    """
    import yaml

    sizes: dict[str, int] = {}  # of anchored nodes
    open_: list[tuple[str | None, int]] = []  # anchor, and how many nodes there were before
    nodes = aliased = 0
    for event in yaml.parse(data, yaml.CSafeLoader):
        if isinstance(event, yaml.AliasEvent):
            if event.anchor in (anchor for anchor, _ in open_):
                return f"anchor '{event.anchor}' value contains itself"
            size = sizes.get(event.anchor or "", 1)
            nodes += size
            aliased += size
            if aliased > _FEW_ALIASES and aliased > nodes * _allowed(nodes):
                return "document contains excessive aliasing"
        elif isinstance(event, yaml.CollectionStartEvent):
            open_.append((event.anchor, nodes))
            nodes += 1
            if len(open_) > DEEPEST:
                return f"exceeded max depth of {DEEPEST}"
        elif isinstance(event, yaml.CollectionEndEvent):
            anchor, before = open_.pop()
            if anchor:
                sizes[anchor] = nodes - before
        elif isinstance(event, yaml.ScalarEvent):
            nodes += 1
            if event.anchor:
                sizes[event.anchor] = 1
    return ""


def _allowed(nodes: int) -> float:
    part = (min(max(nodes, _SMALL), _LARGE) - _SMALL) / (_LARGE - _SMALL)
    return 0.99 - part * 0.89
