"""Cross-origin requests of browsers: HTTPCORSFilter of the Gateway API (GEP-1767, the Fetch standard)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

ANY = "*"


@dataclass(frozen=True, slots=True)
class Cors:
    """origins: "https://shop.example", "https://*.shop.example" (one label or more), or "*". max_age: seconds."""

    origins: tuple[str, ...] = ()
    methods: tuple[str, ...] = ()
    headers: tuple[str, ...] = ()
    expose: tuple[str, ...] = ()
    credentials: bool = False
    max_age: int = 5

    def __str__(self) -> str:
        with_credentials = ", with credentials" if self.credentials else ""
        return f"cross-origin requests of {', '.join(self.origins) or 'nobody'}{with_credentials}"

    def allows(self, origin: str) -> bool:
        return any(matches(pattern, origin) for pattern in self.origins)

    def preflight(self, method: str, headers: Mapping[str, str]) -> str:
        """The proxy's word when it answers itself, with 200, a browser that asks whether it may send a request.

        headers: by lower-case name. "" for any other request.
        """
        origin = headers.get("origin", "")
        if method != "OPTIONS" or not origin or not headers.get("access-control-request-method"):
            return ""
        return f"requests from {origin} are allowed" if self.allows(origin) else f"nothing is said to allow {origin}"


def matches(pattern: str, origin: str) -> bool:
    """Whether an origin is one of those that `pattern` stands for."""
    if pattern == ANY:
        return bool(origin)
    before, star, after = pattern.lower().partition(ANY)
    origin = origin.lower()
    if not star:
        return origin == before
    return len(origin) > len(before) + len(after) and origin.startswith(before) and origin.endswith(after)
