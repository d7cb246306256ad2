"""The values of an answer of `trace`: steps, and the verdict they lead to."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from sealane.network.policies import Question

Hop = Literal["source", "name", "address", "service", "tls", "route", "egress", "ingress", "pod", "policy"]
UNKNOWN = 6
"""The exit code of answers that nobody knows."""
Mark = Literal["pass", "stop", "note"]
Verdict = Literal["allowed", "denied", "mixed", "unknown"]
Outcome = Literal["answered", "refused", "silent", "unreachable", "unresolved"]
"""What the one who tries it sees. refused: at once, by a reset or ICMP. silent: nothing comes back. unreachable: there
is no way there. unresolved: the name has no address."""


@dataclass(frozen=True, slots=True)
class Step:
    """One thing that happens on the way.

    mark: "pass" goes on, "stop" ends here, "note" decides nothing.
    at: "file:line", or the object and field, that decided.
    outcome: of a step that stops: how that looks to the sender.
    parts: what it consists of (queries asked, endpoints considered, rules that do not allow it, the nearest first).
    asked: of a step at which no rule of a policy allows it: what they were asked.
    """

    hop: Hop
    mark: Mark
    text: str
    at: str = ""
    parts: tuple[Step, ...] = ()
    outcome: Outcome = "silent"
    asked: tuple[Question, ...] = ()

    def json(self) -> dict[str, Any]:
        found: dict[str, Any] = {"hop": self.hop, "mark": self.mark, "text": self.text}
        if self.at:
            found["at"] = self.at
        if self.mark == "stop":
            found["outcome"] = self.outcome
        if self.parts:
            found["parts"] = [part.json() for part in self.parts]
        return found


@dataclass(frozen=True, slots=True)
class Endpoint:
    """The place where packets end. pod: "namespace/name", or "" for an address that is no pod's.

    seen: the source addresses that packets can have when they arrive.
    """

    address: str
    port: int
    protocol: str
    pod: str = ""
    allowed: bool = True
    seen: tuple[str, ...] = ()

    def __str__(self) -> str:
        address = f"[{self.address}]" if ":" in self.address else self.address
        return f"{self.pod} ({address}:{self.port})" if self.pod else f"{address}:{self.port}"


@dataclass(frozen=True, slots=True)
class Trace:
    """The way from one party to another. verdict "mixed": some of the endpoints that can be chosen are out of reach.
    "unknown": something that is not modelled decides as well; steps of the hop "policy" name it.

    endpoints: every one that a connection can end at, whether allowed or not. reason: of the verdict, in one line.
    outcomes: all results that the sender can see, "answered" first.
    """

    source: str
    target: str
    verdict: Verdict
    reason: str
    steps: tuple[Step, ...]
    endpoints: tuple[Endpoint, ...] = field(default=())
    outcomes: tuple[Outcome, ...] = ()

    @property
    def exit_code(self) -> int:
        return {"allowed": 0, "unknown": UNKNOWN}.get(self.verdict, 1)

    def json(self) -> dict[str, Any]:
        return {
            "source": self.source,
            "target": self.target,
            "verdict": self.verdict,
            "reason": self.reason,
            "outcomes": list(self.outcomes),
            "steps": [step.json() for step in self.steps],
            "endpoints": [
                {
                    "pod": endpoint.pod,
                    "address": endpoint.address,
                    "port": endpoint.port,
                    "protocol": endpoint.protocol,
                    "allowed": endpoint.allowed,
                    "seen": list(endpoint.seen),
                }
                for endpoint in self.endpoints
            ],
        }
