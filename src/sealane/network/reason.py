"""One line of an explanation: what is so, and which field of which object made it so."""

from __future__ import annotations

from typing import NamedTuple

from sealane.network.provenance import Provenance


class Reason(NamedTuple):
    """source: None where no object decides, as for what holds in every cluster."""

    text: str
    source: Provenance | None = None

    def __str__(self) -> str:
        return f"{self.text} ({self.source})" if self.source else self.text
