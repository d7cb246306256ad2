"""Another host or path for the backend: HTTPURLRewriteFilter and HTTPPathModifier of the Gateway API."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from sealane.kube.regex import Match, pattern
from sealane.network.routes.model.matches import PathMatch

GROUP = re.compile(r"\$([1-9])")


@dataclass(frozen=True, slots=True)
class PathEdit:
    """Replaces the whole path, or the prefix that the rule matched (table at `HTTPPathModifier.replacePrefixMatch`).
    captures: the whole path, with $1 … $9 for what the groups of the rule's regular expression hold, "" without."""

    kind: Literal["full", "prefix", "captures"]
    value: str

    def apply(self, path: str, matched: PathMatch) -> str:
        if self.kind == "full":
            return self.value
        if self.kind == "captures":
            found = pattern(matched.value).fullmatch(path)
            return GROUP.sub(lambda group: self._captured(found, int(group[1]), matched), self.value)
        prefix = matched.value.rstrip("/") if matched.kind == "prefix" else matched.value
        return (self.value.rstrip("/") + path[len(prefix) :]) or "/"

    @staticmethod
    def _captured(found: Match | None, number: int, matched: PathMatch) -> str:
        return (found[number] or "") if found is not None and number <= pattern(matched.value).groups else ""


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
