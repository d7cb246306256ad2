"""Values of the state machine of a pod's life: states, events and actions. All values, no behaviour.

`lifecycle.step` is the machine.

A container goes: waiting ─► starting ─► running ─► exited ─► (by restart policy) starting or backoff ─► …
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

RestartPolicy = Literal["Always", "OnFailure", "Never"]
Role = Literal["init", "sidecar", "main", "ephemeral"]
ProbeKind = Literal["startup", "readiness", "liveness"]


@dataclass(frozen=True, slots=True)
class ContainerPlan:
    """The parts of a container's spec that matter to its life. probes: those that it has."""

    name: str
    role: Role
    restart: RestartPolicy
    probes: frozenset[ProbeKind] = frozenset()


@dataclass(frozen=True, slots=True)
class Exit:
    code: int
    signal: int
    started: float
    finished: float
    reason: str
    message: str = ""


@dataclass(frozen=True, slots=True)
class Before:
    """A container as an earlier agent left it.

    restarts: how often the next run is one anew. goes_on: it has been running all the while, since `started`.
    """

    restarts: int = 0
    goes_on: bool = False
    started: float = 0.0
    ready: bool = False


@dataclass(frozen=True, slots=True)
class Container:
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


@dataclass(frozen=True, slots=True)
class PodState:
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


@dataclass(frozen=True, slots=True)
class Networked:
    """The pod has its network: addresses, IPv4 first."""

    ips: tuple[str, ...]
    at: float


@dataclass(frozen=True, slots=True)
class NetworkFailed:
    message: str
    at: float


@dataclass(frozen=True, slots=True)
class Started:
    container: str
    at: float


@dataclass(frozen=True, slots=True)
class StartFailed:
    """A container could not start. retry: seconds until the next attempt, or None when only a new spec would help.

    The reason `StartError` is that its program could not be run: it counts as a run that has ended.
    """

    container: str
    reason: str
    message: str
    retry: float | None
    at: float


@dataclass(frozen=True, slots=True)
class Exited:
    """signal: the one that ended it, or 0; code is then 128 + signal, as the kubelet reports it. reason: of its status,
    "" when the code says it.
    """

    container: str
    code: int
    signal: int
    at: float
    message: str = ""
    reason: str = ""


@dataclass(frozen=True, slots=True)
class Probed:
    """A probe reached its success or failure threshold."""

    container: str
    kind: ProbeKind
    ok: bool
    message: str = ""


@dataclass(frozen=True, slots=True)
class Withdrawn:
    """A container that is being stopped still answers, but no new client should be sent to it any more."""

    container: str


@dataclass(frozen=True, slots=True)
class Waited:
    """The time asked for by `Wake` has passed. container "" is the network's."""

    container: str


@dataclass(frozen=True, slots=True)
class Added:
    """An ephemeral container has been added to the pod."""

    plan: ContainerPlan


@dataclass(frozen=True, slots=True)
class Expired:
    """Its activeDeadlineSeconds have passed: it ends within `grace` seconds and is not run again."""

    grace: float


@dataclass(frozen=True, slots=True)
class Deletion:
    """The API object is being deleted since `at`, with `grace` seconds to end in."""

    grace: float
    at: float = 0.0


@dataclass(frozen=True, slots=True)
class Vanished:
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


@dataclass(frozen=True, slots=True)
class MakeNetwork:
    pass


@dataclass(frozen=True, slots=True)
class DropNetwork:
    """The pod has ended: its addresses go back to its node."""


@dataclass(frozen=True, slots=True)
class Start:
    """attempt: 0 for the first run of this container."""

    container: str
    attempt: int


@dataclass(frozen=True, slots=True)
class Stop:
    """End it within `grace` seconds; 0 kills. Its `Exited` follows."""

    container: str
    grace: float


@dataclass(frozen=True, slots=True)
class Drain:
    """The pod is going: what it serves should finish, while new connections still find it."""


@dataclass(frozen=True, slots=True)
class Probe:
    """Begin the probes of these kinds; the ones that run already go on."""

    container: str
    kinds: frozenset[ProbeKind]


@dataclass(frozen=True, slots=True)
class EndProbes:
    container: str


@dataclass(frozen=True, slots=True)
class Wake:
    """Send `Waited` after so many seconds."""

    container: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Tell:
    """Record an Event on the pod."""

    type: Literal["Normal", "Warning"]
    reason: str
    message: str


@dataclass(frozen=True, slots=True)
class Finish:
    """Everything has ended: remove the API object."""


Action = MakeNetwork | DropNetwork | Start | Stop | Drain | Probe | EndProbes | Wake | Tell | Finish
