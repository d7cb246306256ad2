"""One line of an explanation: a fact, and the field of the object from which it follows."""

from __future__ import annotations

from typing import NamedTuple

from sealane.network.provenance import Provenance


class Reason(NamedTuple):
    """source: None where no object decides, as for what holds in every cluster."""

    text: str
    source: Provenance | None = None

    def __str__(self) -> str:
        return f"{self.text} ({self.source})" if self.source else self.text
