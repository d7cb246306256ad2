"""Two generations of each table: one is at work, the other is written while it sleeps.

Rules that are written from nothing go into tables that are dormant (nft(8)), in as many transactions as it takes; one
more, of a few bytes, wakes them and deletes those before. So the old rules stand until all of the new ones do, however
many there are and however little the kernel takes at once.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Literal

from sealane.dataplane.nft import policies
from sealane.dataplane.nft.chains import TABLE as SERVICES
from sealane.dataplane.nft.ledger import FAMILY

TABLES = (SERVICES, policies.TABLE)

Generation = Literal["", "-2"]
"""What is added to the names of tables."""

_HEADS = re.compile(rf"\b{FAMILY} ({'|'.join(TABLES)})(?!\S)")


def at_work(tables: Mapping[str, bool]) -> Generation | None:
    """Of tables by name, True for those at work; None when none of ours is."""
    working = [generation for generation in _BOTH if any(tables.get(table + generation) for table in TABLES)]
    return working[-1] if working else None


def next_to(generation: Generation | None) -> Generation:
    return "-2" if generation == "" else ""


def renamed(commands: str, generation: Generation) -> str:
    """Commands for tables without a generation, for those of `generation`."""
    return _HEADS.sub(rf"{FAMILY} \1{generation}", commands) if generation else commands


_BOTH: tuple[Generation, Generation] = ("", "-2")
