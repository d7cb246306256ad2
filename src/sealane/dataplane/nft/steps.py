"""A step: what one settled batch changes, ready to be written to any number of nodes."""

from __future__ import annotations

from functools import cached_property

from sealane.dataplane.nft import policies, services
from sealane.dataplane.nft.chains import TABLE as SERVICES
from sealane.dataplane.nft.elements import ElementChange, encode, layout, layouts
from sealane.dataplane.nft.ledger import Phases, split, transaction

MANY = 1000
"""From so many elements on, text is given to libnftables, which cuts it to what the kernel takes."""

_FIXED = {**layouts(services.skeleton(), SERVICES), **layouts(policies.skeleton(), policies.TABLE)}


class Step:
    """Both forms are made when first asked for, and once."""

    def __init__(self, *phases: Phases) -> None:
        self._phases = phases

    @cached_property
    def text(self) -> str:
        """Commands for libnftables."""
        return transaction(*self._phases)

    @cached_property
    def messages(self) -> list[bytes] | None:
        """Netlink messages, if there is nothing but elements in it, and of sets without ranges; otherwise None."""
        if any(phases.commands for phases in self._phases):
            return None
        if sum(len(phases.removed) + len(phases.added) for phases in self._phases) > MANY:
            return None
        known = dict(_FIXED)
        for phases in self._phases:
            for name, declaration in phases.sets.items():
                shape = layout(declaration.body)
                if shape is not None:
                    known[name] = shape
        changes = [ElementChange(*split(name), None) for phases in self._phases for name in phases.removed]
        changes += [ElementChange(*split(name), data) for phases in self._phases for name, data in phases.added.items()]
        try:
            return encode(changes, known)
        except KeyError:
            return None
