"""`verify`: what the model says against what packets do, on a running cluster.

This module says what to try and judges what came back; the trying is a function it is given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from sealane.explain import reach
from sealane.explain.legs import Candidate, leg
from sealane.explain.parties import Place, of_pod
from sealane.explain.serving import serve
from sealane.explain.world import World, outside_address
from sealane.kube.objects import Key

Outcome = Literal["answered", "refused", "silent", "unreachable"]
SILENCE = 0.3
"""Seconds to wait where no answer is expected."""
PATIENCE = 1.0
"""Seconds to wait where one is, and for all on the second try."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection to try, and what the model says of it.

    source: "outside", or uid of the pod where it starts. what: both ends as a person names them. timeout: seconds.
    pair: the two pods, where it leads from one to another; its reason is found when it is needed.
    """

    source: str
    what: str
    address: str
    port: int
    protocol: str
    allowed: bool
    reason: str = ""
    at: str = ""
    timeout: float = PATIENCE
    pair: reach.Pair | None = None

    def request(self) -> dict[str, Any]:
        """What a prober needs to know."""
        return {
            "source": self.source,
            "protocol": self.protocol,
            "address": self.address,
            "port": self.port,
            "timeout": self.timeout,
        }


@dataclass(frozen=True, slots=True)
class Disagreement:
    """An attempt that ended otherwise than predicted, twice."""

    attempt: Attempt
    outcome: Outcome

    @property
    def text(self) -> str:
        predicted = "be answered" if self.attempt.allowed else "get no answer"
        return f"{self.attempt.what} should {predicted} ({self.attempt.reason}), and was {WORDS[self.outcome]}"

    def json(self) -> dict[str, Any]:
        return {
            "what": self.attempt.what,
            "address": self.attempt.address,
            "port": self.attempt.port,
            "protocol": self.attempt.protocol,
            "predicted": "allowed" if self.attempt.allowed else "denied",
            "observed": self.outcome,
            "reason": self.attempt.reason,
            "at": self.attempt.at,
        }


WORDS = {
    "answered": "answered",
    "refused": "refused",
    "silent": "met with silence",
    "unreachable": "told that there is no way",
}

Try = Callable[[Sequence[Attempt]], Awaitable[Sequence[Outcome]]]


@dataclass(frozen=True, slots=True)
class Report:
    """attempts: all that were tried, by what was predicted for them. disagreements: those that ended otherwise."""

    attempts: int
    allowed: int
    disagreements: tuple[Disagreement, ...]

    @property
    def exit_code(self) -> int:
        return 1 if self.disagreements else 0

    def json(self) -> dict[str, Any]:
        return {
            "attempts": self.attempts,
            "allowed": self.allowed,
            "denied": self.attempts - self.allowed,
            "disagreements": [each.json() for each in self.disagreements],
        }


async def verify(world: World, attempt: Try) -> Report:
    """Tries everything once, what surprised again with patience, and reports what surprised twice."""
    wanted = list(attempts(world))
    outcomes = await attempt(wanted)
    surprising = [each for each, outcome in zip(wanted, outcomes, strict=True) if not agrees(each, outcome)]
    disagreements: tuple[Disagreement, ...] = ()
    if surprising:
        again = await attempt([replace(each, timeout=PATIENCE) for each in surprising])
        disagreements = tuple(
            Disagreement(_explained(world, each), outcome)
            for each, outcome in zip(surprising, again, strict=True)
            if not agrees(each, outcome)
        )
    return Report(len(wanted), sum(each.allowed for each in wanted), disagreements)


def agrees(attempt: Attempt, outcome: Outcome) -> bool:
    """Only an answer shows that a way is open; a refusal shows that packets passed a policy that should drop them."""
    return outcome == "answered" if attempt.allowed else outcome in ("silent", "unreachable")


def attempts(world: World) -> Iterator[Attempt]:
    """Every ordered pair of running pods on each declared port; pods to Services; outside to load balancers."""
    yield from _pod_attempts(world)
    yield from _service_attempts(world)
    yield from _outside_attempts(world)


def _pod_attempts(world: World) -> Iterator[Attempt]:
    for pair in reach.pairs(world):
        source, destination = world.pods.get(pair.source), world.pods.get(pair.destination)
        if source is None or destination is None or not _running(world, pair.source, pair.destination):
            continue
        what = f"{_name(pair.source)} → {_name(pair.destination)} {pair.port}/{pair.protocol}"
        timeout = PATIENCE if pair.allowed else SILENCE
        yield Attempt(
            source.uid, what, pair.address, pair.port, pair.protocol, pair.allowed, timeout=timeout, pair=pair
        )


def _explained(world: World, attempt: Attempt) -> Attempt:
    """With the reason of the prediction, which is only worth finding for those that were wrong."""
    if attempt.pair is None:
        return attempt
    reason, at = reach.why(world, attempt.pair)
    return replace(attempt, reason=reason, at=at)


def _service_attempts(world: World) -> Iterator[Attempt]:
    """One pod of each kind on each node, to every cluster address."""
    pods = [pod for pod in sorted(world.pods.values(), key=lambda pod: pod.key) if _running(world, pod.key)]
    kinds = {
        (identity, pod.spec.get("nodeName")): pod
        for pod, identity in zip(pods, reach.identities(world, pods).values(), strict=True)
    }
    for pod in sorted(kinds.values(), key=lambda pod: pod.key):
        yield from _frontends(world, of_pod(pod), pod.uid, ("ClusterIP",))


def _outside_attempts(world: World) -> Iterator[Attempt]:
    yield from _frontends(world, Place("outside", "outside", (outside_address(),)), "outside", ("LoadBalancer",))


def _frontends(world: World, source: Place, identity: str, kinds: Sequence[str]) -> Iterator[Attempt]:
    for service in sorted(world.services.values(), key=lambda service: service.key):
        for port in service.ports:
            for frontend in port.frontends:
                if frontend.kind not in kinds or frontend.family != 4 or frontend.protocol == "SCTP":
                    continue
                legs = [
                    leg(world, source, each)
                    for each in serve(world, source, frontend.address, frontend.port, frontend.protocol).candidates
                ]
                open_ = {each.endpoint.allowed for each in legs}
                # Refused for lack of endpoints, or open to some endpoints only: one packet shows nothing.
                if len(open_) != 1 or not all(_known(world, each.candidate) for each in legs):
                    continue
                (allowed,) = open_
                last = legs[0].steps[-1]
                what = f"{source.text} → {service.key} {frontend}"
                timeout = PATIENCE if allowed else SILENCE
                yield Attempt(
                    identity,
                    what,
                    frontend.address,
                    frontend.port,
                    frontend.protocol,
                    allowed,
                    last.text,
                    last.at,
                    timeout,
                )


def _known(world: World, candidate: Candidate) -> bool:
    """Whether it is a pod of this cluster that declares the port: of others it is not known what listens."""
    pod = world.pod_at(candidate.address)
    return pod is not None and (candidate.port, candidate.protocol) in reach.ports(world, pod)


def _running(world: World, *keys: Key) -> bool:
    pods = [world.pods.get(key) for key in keys]
    return all(
        pod is not None
        and pod.status.get("phase") == "Running"
        and not pod.deleting
        and not pod.spec.get("hostNetwork")
        for pod in pods
    )


def _name(key: Key) -> str:
    return f"{key.namespace}/{key.name}"
