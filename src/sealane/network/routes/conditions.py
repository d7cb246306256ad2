"""Status conditions as the pure core makes them: without times, which only the writer knows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True)
class Condition:
    type: str
    status: bool
    reason: str
    message: str = ""

    def raw(self, generation: int) -> dict[str, Any]:
        """meta/v1 Condition without lastTransitionTime."""
        return {
            "type": self.type,
            "status": "True" if self.status else "False",
            "reason": self.reason,
            "message": self.message,
            "observedGeneration": generation,
        }
