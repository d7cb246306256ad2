"""`loop`: a question that comes back to the server that sent it. Source: https://coredns.io/plugins/loop/.

A question for a random name is sent upstream when the server starts. CoreDNS ends when it sees it more than twice; here
the server block forwards no more, which is what a server that has ended does, and says why.
"""

from __future__ import annotations

import secrets
from dataclasses import dataclass

from sealane.dataplane.dns import wire

MOST = 2
"""Times that a server may see its own question."""


class LoopDetected(Exception):
    """The servers upstream ask this one."""


@dataclass(slots=True)
class Loop:
    """name: the name that is asked for. seen: how often it came."""

    zone: str
    name: str
    seen: int = 0
    found: bool = False

    @classmethod
    def of(cls, zone: str) -> Loop:
        random = f"{secrets.randbits(63)}.{secrets.randbits(63)}"
        return cls(zone, f"{random}.{zone}" if zone else random)

    @property
    def question(self) -> wire.Query:
        type_ = wire.TYPES["HINFO"]
        question = wire.name_bytes(self.name) + type_.to_bytes(2, "big") + wire.IN.to_bytes(2, "big")
        return wire.Query(b"\0\0", wire.RD, self.name, type_, question, None, False, False)

    def check(self, query: wire.Query) -> bool:
        """Whether it is this question, which is counted then. Raises LoopDetected, from the first time on for each."""
        own = query.name == self.name and query.type == wire.TYPES["HINFO"]
        if own:
            self.seen += 1
            self.found = self.found or self.seen > MOST
        if self.found:
            see = "https://coredns.io/plugins/loop#troubleshooting"
            raise LoopDetected(f'Loop detected for zone "{self.zone}.", see {see}')
        return own
