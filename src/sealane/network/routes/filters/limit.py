"""A limit on the requests of each client."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Limit:
    """number: of requests in so many seconds, from one address. burst: so many more at once. Others get `status`."""

    number: int
    seconds: int
    burst: int
    status: int = 503

    def __str__(self) -> str:
        every = "a second" if self.seconds == 1 else f"in {self.seconds} s"
        return f"{self.number} requests {every} of each client, {self.burst} more at once, else {self.status}"
