"""Options of a write, as every floor of the server passes them on."""

from __future__ import annotations

import msgspec

from sealane.apiserver.access.user import CONTROL_PLANE, User


class Write(msgspec.Struct, frozen=True):
    """Options of a write. field_validation: "Strict", "Warn" or "Ignore". manager: who writes, for managedFields.

    warnings: what `warn` adds to, to be told to the client; None when no client listens. user: who writes.
    answers: of the webhooks (and evaluators of CEL) that were asked about this write so far; None when none will be.
    """

    dry_run: bool = False
    field_validation: str = ""
    manager: str = ""
    force: bool = False
    warnings: list[str] | None = None
    user: User = CONTROL_PLANE
    answers: dict[object, object] | None = None

    def warn(self, text: str) -> None:
        if self.warnings is not None:
            self.warnings.append(text)


ORDINARY = Write()
"""What a controller of this cluster writes."""
