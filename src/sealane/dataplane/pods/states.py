"""Values of the state machine of a pod's life: states, events and actions. All values, no behaviour.

`lifecycle.step` is the machine.

A container goes: waiting ─► starting ─► running ─► exited ─► (by restart policy) starting or backoff ─► …
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

RestartPolicy = Literal["Always", "OnFailure", "Never"]
Role = Literal["init", "sidecar", "main", "ephemeral"]
ProbeKind = Literal["startup", "readiness", "liveness"]


class ContainerPlan(msgspec.Struct, frozen=True):
    """The parts of a container's spec that matter to its life. probes: those that it has."""

    name: str
    role: Role
    restart: RestartPolicy
    probes: frozenset[ProbeKind] = frozenset()


class Exit(msgspec.Struct, frozen=True):
    code: int
    signal: int
    started: float
    finished: float
    reason: str
    message: str = ""


class Before(msgspec.Struct, frozen=True):
    """A container as an earlier agent left it.

    restarts: how often the next run is one anew. goes_on: it has been running all the while, since `started`.
    """

    restarts: int = 0
    goes_on: bool = False
    started: float = 0.0
    ready: bool = False


class Container(msgspec.Struct, frozen=True):
    """stage: where it is. reason, message: of waiting. passed: its startup probe did (or it has none).

    restarts: runs before this one. delay: back-off in force, in seconds; last: the exit before the current run.
    "ended" is exited and started again soon; "exited" is for good.
    """

    stage: Literal["waiting", "starting", "running", "stopping", "ended", "backoff", "exited"] = "waiting"
    reason: str = "PodInitializing"
    message: str = ""
    started: float = 0.0
    passed: bool = False
    ready: bool = False
    restarts: int = 0
    delay: float = 0.0
    exit: Exit | None = None
    last: Exit | None = None
    goes_on: bool = False  # its start is a taking over: it has run, and been ready or not, before

    @property
    def alive(self) -> bool:
        return self.stage in ("starting", "running", "stopping")

    def initialized(self, plan: ContainerPlan) -> bool:
        """What comes after it may start: an init container has succeeded, a sidecar has started."""
        match plan.role:
            case "init":
                return self.stage == "exited" and self.exit is not None and self.exit.code == 0
            case "sidecar":
                return self.passed or self.exit is not None or self.last is not None
            case "main" | "ephemeral":
                return True


class PodState(msgspec.Struct, frozen=True):
    """plans: init containers first, in order; ephemeral ones last. ips: empty until the network is there.

    problem: (reason, message) while the network cannot be made.
    deleting: the grace period in seconds once deletion began, which was at `deleted`. expired: its
    activeDeadlineSeconds have passed. dropped: it has ended and needs no network any more. gone: nothing is left to do.
    """

    plans: tuple[ContainerPlan, ...]
    containers: Mapping[str, Container]
    ips: tuple[str, ...] = ()
    problem: tuple[str, str] | None = None
    created: float = 0.0
    networked: float = 0.0
    deleting: float | None = None
    deleted: float = 0.0
    expired: bool = False
    dropped: bool = False
    gone: bool = False

    @property
    def initialized(self) -> bool:
        """All init containers have succeeded, and sidecars have started."""
        return bool(self.ips) and all(self.containers[plan.name].initialized(plan) for plan in self.plans)

    @property
    def ready(self) -> bool:
        """Every container that counts is ready: all but finished init containers and ephemeral ones."""
        counting = (plan for plan in self.plans if plan.role in ("main", "sidecar"))
        return self.initialized and all(self.containers[plan.name].ready for plan in counting)

    @property
    def over(self) -> bool:
        """It had a network, has ended, and nothing of it lives any more."""
        alive = any(container.alive for container in self.containers.values())
        return bool(self.ips) and not alive and self.phase in ("Succeeded", "Failed")

    @property
    def phase(self) -> Literal["Pending", "Running", "Succeeded", "Failed"]:
        if self.expired:
            return "Failed"
        mains = [self.containers[plan.name] for plan in self.plans if plan.role == "main"]
        if any(
            plan.role == "init" and container.stage == "exited" and container.exit and container.exit.code
            for plan, container in ((plan, self.containers[plan.name]) for plan in self.plans)
        ):
            return "Failed"
        if not self.initialized and not any(one.exit for one in mains):
            return "Pending"
        if mains and all(one.stage == "exited" for one in mains):
            return "Failed" if any(one.exit and one.exit.code for one in mains) else "Succeeded"
        if any(not one.started and one.exit is None for one in mains):
            return "Pending"
        return "Running"


# Events


class Networked(msgspec.Struct, frozen=True):
    """The pod has its network: addresses, IPv4 first."""

    ips: tuple[str, ...]
    at: float


class NetworkFailed(msgspec.Struct, frozen=True):
    message: str
    at: float


class Started(msgspec.Struct, frozen=True):
    container: str
    at: float


class StartFailed(msgspec.Struct, frozen=True):
    """A container could not start. retry: seconds until the next attempt, or None when only a new spec would help.

    The reason `StartError` is that its program could not be run: it counts as a run that has ended.
    """

    container: str
    reason: str
    message: str
    retry: float | None
    at: float


class Exited(msgspec.Struct, frozen=True):
    """signal: the one that ended it, or 0; code is then 128 + signal, as the kubelet reports it. reason: of its status,
    "" when the code says it.
    """

    container: str
    code: int
    signal: int
    at: float
    message: str = ""
    reason: str = ""


class Probed(msgspec.Struct, frozen=True):
    """A probe reached its success or failure threshold."""

    container: str
    kind: ProbeKind
    ok: bool
    message: str = ""


class Withdrawn(msgspec.Struct, frozen=True):
    """A container that is being stopped still answers, but no new client should be sent to it any more."""

    container: str


class Waited(msgspec.Struct, frozen=True):
    """The time asked for by `Wake` has passed. container "" is the network's."""

    container: str


class Added(msgspec.Struct, frozen=True):
    """An ephemeral container has been added to the pod."""

    plan: ContainerPlan


class Expired(msgspec.Struct, frozen=True):
    """Its activeDeadlineSeconds have passed: it ends within `grace` seconds and is not run again."""

    grace: float


class Deletion(msgspec.Struct, frozen=True):
    """The API object is being deleted since `at`, with `grace` seconds to end in."""

    grace: float
    at: float = 0.0


class Vanished(msgspec.Struct, frozen=True):
    """The API object is gone."""


Event = (
    Networked
    | NetworkFailed
    | Started
    | StartFailed
    | Exited
    | Probed
    | Withdrawn
    | Waited
    | Added
    | Expired
    | Deletion
    | Vanished
)


# Actions


class MakeNetwork(msgspec.Struct, frozen=True):
    pass


class DropNetwork(msgspec.Struct, frozen=True):
    """The pod has ended: its addresses go back to its node."""


class Start(msgspec.Struct, frozen=True):
    """attempt: 0 for the first run of this container."""

    container: str
    attempt: int


class Stop(msgspec.Struct, frozen=True):
    """End it within `grace` seconds; 0 kills. Its `Exited` follows."""

    container: str
    grace: float


class Drain(msgspec.Struct, frozen=True):
    """The pod is going: what it serves should finish, while new connections still find it."""


class Probe(msgspec.Struct, frozen=True):
    """Begin the probes of these kinds; the ones that run already go on."""

    container: str
    kinds: frozenset[ProbeKind]


class EndProbes(msgspec.Struct, frozen=True):
    container: str


class Wake(msgspec.Struct, frozen=True):
    """Send `Waited` after so many seconds."""

    container: str
    seconds: float


class Tell(msgspec.Struct, frozen=True):
    """Record an Event on the pod."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


class Finish(msgspec.Struct, frozen=True):
    """Everything has ended: remove the API object."""


Action = MakeNetwork | DropNetwork | Start | Stop | Drain | Probe | EndProbes | Wake | Tell | Finish
