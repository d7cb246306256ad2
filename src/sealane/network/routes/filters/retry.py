"""Requests that are sent again when a backend fails: HTTPRouteRetry of the Gateway API (GEP-1731)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Retry:
    """codes: statuses after which it is sent again, as it is after a connection that broke or a timeout of one try.

    attempts: how often at most, after the first. backoff: seconds between two tries, 0 for what the proxy thinks best.
    """

    codes: tuple[int, ...] = ()
    attempts: int = 1
    backoff: float = 0.0

    def __str__(self) -> str:
        after = ", ".join(map(str, self.codes)) or "broken connections"
        times = "once" if self.attempts == 1 else f"{self.attempts} times"
        return f"sent again after {after}, {times} at most"
