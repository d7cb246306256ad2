"""Another host or path for the backend: HTTPURLRewriteFilter and HTTPPathModifier of the Gateway API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sealane.network.routes.model.matches import PathMatch


@dataclass(frozen=True, slots=True)
class PathEdit:
    """Replaces the whole path, or the prefix that the rule matched (table at `HTTPPathModifier.replacePrefixMatch`)."""

    kind: Literal["full", "prefix"]
    value: str

    def apply(self, path: str, matched: PathMatch) -> str:
        if self.kind == "full":
            return self.value
        prefix = matched.value.rstrip("/") if matched.kind == "prefix" else matched.value
        return (self.value.rstrip("/") + path[len(prefix) :]) or "/"


@dataclass(frozen=True, slots=True)
class Rewrite:
    """hostname "" keeps the Host header."""

    hostname: str = ""
    path: PathEdit | None = None

    def apply(self, host: str, path: str, matched: PathMatch) -> tuple[str, str]:
        """The Host header and the path (with its query string) that the backend sees."""
        plain, mark, query = path.partition("?")
        if self.path is not None:
            plain = self.path.apply(plain, matched)
        return self.hostname or host, plain + mark + query
