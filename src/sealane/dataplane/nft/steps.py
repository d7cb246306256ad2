"""A step: the changes of one settled batch, ready to be written to any number of nodes."""

from __future__ import annotations

from threading import Lock

from sealane.dataplane.nft import policies, services
from sealane.dataplane.nft.elements import encode, layout, layouts
from sealane.dataplane.nft.generations import TABLES, Generation, renamed
from sealane.dataplane.nft.ledger import Phases, transaction

_FIXED = {**layouts(services.skeleton(), TABLES[0]), **layouts(policies.skeleton(), TABLES[1])}


class Step:
    """Every form is made when first asked for, and once.

    commands: whether there is more in it than elements. Only then it must go through libnftables.
    """

    def __init__(self, *phases: Phases) -> None:
        self._phases = phases
        self._texts: dict[Generation, str] = {}
        self._messages: dict[Generation, list[bytes]] = {}
        self._lock = Lock()  # the threads of several nodes ask at the same time
        self.commands = any(each.commands for each in phases)

    def text(self, generation: Generation) -> str:
        """All of it as commands for libnftables."""
        if generation not in self._texts:
            self._texts[generation] = renamed(transaction(*self._phases), generation)
        return self._texts[generation]

    def preparation(self, generation: Generation) -> str:
        """The commands alone, without elements: of a whole table, what must be there before them."""
        commands = "".join(phases.declare + phases.define for phases in self._phases)
        return renamed(commands, generation)

    def messages(self, generation: Generation) -> list[bytes]:
        """Its elements as netlink messages."""
        with self._lock:
            if generation not in self._messages:
                self._messages[generation] = self._encode(generation)
            return self._messages[generation]

    def _encode(self, generation: Generation) -> list[bytes]:
        known = dict(_FIXED)
        for phases in self._phases:
            for name, declaration in phases.sets.items():
                shape = layout(declaration.body)
                if shape is not None:
                    known[name] = shape
        removed = [name for phases in self._phases for name in phases.removed]
        added = self._phases[0].added
        for phases in self._phases[1:]:
            added = {**added, **phases.added}
        return encode(removed, added, known, generation)
