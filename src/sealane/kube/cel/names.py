"""Names of fields as CEL can write them.

Source: https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#escaping
"""

from __future__ import annotations

import re
from functools import lru_cache

_RESERVED = frozenset(
    (
        *("true", "false", "null", "in", "as", "break", "const", "continue", "else", "for", "function", "if", "import"),
        *("let", "loop", "package", "namespace", "return", "var", "void", "while"),
    )
)
_PLAIN = re.compile(r"[A-Za-z_][A-Za-z0-9_]*")
_FORBIDDEN = re.compile(r"[^A-Za-z0-9_./-]")
_ESCAPED = re.compile(r"__|[./-]")
_WORDS = {"__": "__underscores__", ".": "__dot__", "-": "__dash__", "/": "__slash__"}


@lru_cache(maxsize=4096)
def escaped(name: str) -> str | None:
    """The CEL identifier of a field: "foo.bar" -> "foo__dot__bar". None for a name that no identifier stands for."""
    if name in _RESERVED:
        return f"__{name}__"
    if not name or name[0].isdigit() or _FORBIDDEN.search(name):
        return None
    if "__" not in name and _PLAIN.fullmatch(name):
        return name
    return _ESCAPED.sub(lambda found: _WORDS[found[0]], name)
