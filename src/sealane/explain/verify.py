"""`verify`: the model's answers against real packets, on a running cluster.

This module chooses the attempts and judges their results; the trying is a function it is given.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from math import ceil, log
from typing import Any, Literal

from sealane.explain import reach
from sealane.explain.legs import Candidate, leg
from sealane.explain.parties import Place, of_pod
from sealane.explain.serving import serve
from sealane.explain.world import World, outside_address
from sealane.kube.objects import Key
from sealane.network.services import Frontend, ServiceModel
from sealane.network.services.model import Family

Outcome = Literal["answered", "refused", "silent", "unreachable"]
Prediction = Literal["allowed", "denied", "mixed", "refused"]
SILENCE = 0.3
"""Seconds to wait where no answer is expected."""
PATIENCE = 1.0
"""Seconds to wait where one is, and for all on the second try."""
FAMILIES: tuple[Family, Family] = (4, 6)
MOST_TRIES = 64
UNSEEN = 1e-6
"""How likely it may be that of several outcomes one is not seen although it is possible."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One connection to try, and what the model says of it.

    source: "outside", or uid of the pod where it starts. what: both ends as a person names them. timeout: seconds.
    pair: the two pods, where it leads from one to another; its reason is found when it is needed.
    prediction: "mixed" when it can be given to endpoints that are in reach and to others that are not; "refused" when
    nothing listens there. tries: so many at once; of a mixed one with several tries, both outcomes must be seen.
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
    mixed: bool = False
    refused: bool = False
    tries: int = 1

    @property
    def prediction(self) -> Prediction:
        return "refused" if self.refused else "mixed" if self.mixed else "allowed" if self.allowed else "denied"

    def request(self) -> dict[str, Any]:
        """The request for a prober."""
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
        predicted = SHOULD[self.attempt.prediction]
        return f"{self.attempt.what} should {predicted} ({self.attempt.reason}), and was {WORDS[self.outcome]}"

    def json(self) -> dict[str, Any]:
        return {
            "what": self.attempt.what,
            "address": self.attempt.address,
            "port": self.attempt.port,
            "protocol": self.attempt.protocol,
            "predicted": self.attempt.prediction,
            "observed": self.outcome,
            "reason": self.attempt.reason,
            "at": self.attempt.at,
        }


SHOULD: dict[Prediction, str] = {
    "allowed": "be answered",
    "denied": "get no answer",
    "mixed": "be answered by some endpoints and not by others",
    "refused": "be refused",
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
    outcomes = await _tried(attempt, wanted)
    surprising = [each for each, seen in zip(wanted, outcomes, strict=True) if surprise(each, seen) is not None]
    disagreements: list[Disagreement] = []
    if surprising:
        again = await _tried(attempt, [replace(each, timeout=PATIENCE) for each in surprising])
        for each, seen in zip(surprising, again, strict=True):
            outcome = surprise(each, seen)
            if outcome is not None:
                disagreements.append(Disagreement(_explained(world, each), outcome))
    return Report(len(wanted), sum(each.allowed for each in wanted), tuple(disagreements))


async def _tried(attempt: Try, wanted: Sequence[Attempt]) -> list[frozenset[Outcome]]:
    """Which outcomes each had, of all its tries."""
    found = iter(await attempt([each for each in wanted for _ in range(each.tries)]))
    return [frozenset(islice(found, each.tries)) for each in wanted]


def surprise(attempt: Attempt, seen: frozenset[Outcome]) -> Outcome | None:
    """The outcome that contradicts the model, if one does.

    Only an answer shows that a way is open; a refusal shows that packets passed a policy that should drop them. Kernels
    limit how often they refuse datagrams, so silence is no surprise there.
    """
    expected: frozenset[Outcome] = _EXPECTED[attempt.prediction]
    if attempt.refused and attempt.protocol == "UDP":
        expected |= {"silent"}
    unexpected = sorted(seen - expected)
    if unexpected:
        return unexpected[0]
    if attempt.mixed and attempt.tries > 1 and ("answered" not in seen or len(seen) == 1):
        return min(seen)  # always the same
    return None


_QUIET: frozenset[Outcome] = frozenset({"silent", "unreachable"})
_EXPECTED: dict[Prediction, frozenset[Outcome]] = {
    "allowed": frozenset({"answered"}),
    "denied": _QUIET,
    "mixed": _QUIET | {"answered"},
    "refused": frozenset({"refused"}),
}


def attempts(world: World) -> Iterator[Attempt]:
    """Every ordered pair of running pods on each declared port; pods to Services; outside to load balancers."""
    yield from _pod_attempts(world)
    yield from _service_attempts(world)
    yield from _outside_attempts(world)


def _pod_attempts(world: World) -> Iterator[Attempt]:
    for family in FAMILIES:
        for pair in reach.pairs(world, family):
            source, destination = world.pods.get(pair.source), world.pods.get(pair.destination)
            if source is None or destination is None or not _running(world, pair.source, pair.destination):
                continue
            over = " over IPv6" if family == 6 else ""
            what = f"{_name(pair.source)} → {_name(pair.destination)} {pair.port}/{pair.protocol}{over}"
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
    outside = Place("outside", "outside", tuple(outside_address(family) for family in FAMILIES))
    yield from _frontends(world, outside, "outside", ("LoadBalancer",))


def _frontends(world: World, source: Place, identity: str, kinds: Sequence[str]) -> Iterator[Attempt]:
    for service in sorted(world.services.values(), key=lambda service: service.key):
        for port in service.ports:
            for frontend in port.frontends:
                if frontend.kind in kinds and frontend.protocol != "SCTP" and source.address(frontend.family):
                    found = _frontend(world, source, service, frontend)
                    if found is not None:
                        yield replace(found, source=identity)


def _frontend(world: World, source: Place, service: ServiceModel, frontend: Frontend) -> Attempt | None:
    """The attempts at one address of a Service; None where it is not known what answers."""
    served = serve(world, source, frontend.address, frontend.port, frontend.protocol)
    legs = [leg(world, source, each) for each in served.candidates]
    if not all(_known(world, each.candidate) for each in legs):
        return None
    stops = [step for step in served.steps if step.mark == "stop"]
    shut = [each for each in legs if not each.endpoint.allowed]
    last = stops[-1] if stops else (shut or legs)[0].steps[-1]
    mixed = bool(legs) and len(shut) < len(legs) and bool(shut or stops)
    # Of several nodes that it can come in by, and of one endpoint that it stays with, no share is known.
    drawn = mixed and not stops and service.affinity_seconds is None and bool(source.node)
    return Attempt(
        "",
        f"{source.text} → {service.key} {frontend}",
        frontend.address,
        frontend.port,
        frontend.protocol,
        len(shut) < len(legs),
        last.text,
        last.at,
        SILENCE if len(shut) == len(legs) or mixed else PATIENCE,
        mixed=mixed,
        refused=not legs and last.outcome == "refused",
        tries=_tries(min(len(shut), len(legs) - len(shut)) / len(legs)) if drawn else 1,
    )


def _tries(share: float) -> int:
    """How often to try, to be sure to see what happens to this share of connections; 1 when it would be too often."""
    tries = ceil(log(UNSEEN) / log(1 - share))
    return tries if tries <= MOST_TRIES else 1


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
