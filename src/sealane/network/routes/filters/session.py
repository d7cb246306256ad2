"""Clients that keep their endpoint: SessionPersistence of the Gateway API (GEP-1619)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, slots=True)
class Session:
    """kind: what holds it. name: of the cookie or header. lifetime: seconds that a cookie lasts, 0 for as long as the
    client runs. path: below which it is sent."""

    kind: Literal["Cookie", "Header"]
    name: str
    lifetime: float = 0.0
    path: str = "/"

    def __str__(self) -> str:
        return f"a client keeps its endpoint by {self.kind.lower()} {self.name}"
