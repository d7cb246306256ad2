"""Waiting times between attempts: exponential, with jitter so that many who failed together do not return together."""

from __future__ import annotations

import random

import msgspec


class Backoff(msgspec.Struct, frozen=True):
    """Seconds to wait: `first` after one failure, doubling up to `longest`, each ± a quarter."""

    first: float = 0.05
    longest: float = 30.0

    def delay(self, failures: int) -> float:
        """failures: how many attempts failed in a row, from 1."""
        return min(self.longest, self.first * 2.0 ** min(failures - 1, 20)) * random.uniform(0.75, 1.25)
