"""A pod's life as a state machine: (state, event) → (state, actions). No I/O and no clock: events say when they
happened.

Sources: https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/ (phases, restart policy, back-off,
termination), https://kubernetes.io/docs/concepts/workloads/pods/init-containers/ and sidecar-containers/ (order of
starting).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from msgspec.structs import replace

from sealane.dataplane.pods.states import (
    Action,
    Added,
    Before,
    Container,
    ContainerPlan,
    Deletion,
    Drain,
    DropNetwork,
    EndProbes,
    Event,
    Exit,
    Exited,
    Expired,
    Finish,
    MakeNetwork,
    Networked,
    NetworkFailed,
    PodState,
    Probe,
    Probed,
    ProbeKind,
    Start,
    Started,
    StartFailed,
    Stop,
    Tell,
    Vanished,
    Waited,
    Wake,
    Withdrawn,
)

BACKOFF_FIRST, BACKOFF_LAST = 10.0, 300.0
"""Seconds before the second and every later restart; the first is immediate, each doubles the one before."""
RELIST = 1.0
"""Seconds from a start to the first restart at least: a kubelet looks once a second which containers have ended (its
pod lifecycle event generator). Until then `kubectl run -it` finds what a program that ended at once has printed."""
BACKOFF_FORGET = 600.0
"""A container that ran this many seconds starts over with an immediate restart."""

Step = tuple[PodState, tuple[Action, ...]]


def begin(plans: Iterable[ContainerPlan], at: float, before: Mapping[str, Before] | None = None) -> Step:
    """A pod that appears on its node. before: what is known of its containers from an agent before this one."""
    known = tuple(plans)
    containers = {plan.name: _initial((before or {}).get(plan.name, Before())) for plan in known}
    return PodState(known, containers, created=at), (MakeNetwork(),)


def step(state: PodState, event: Event) -> Step:
    """The next state and what to do, in order. Events that no longer matter change nothing."""
    if state.gone:
        return state, ()
    state, actions = _step(state, event)
    if state.deleting is None and not state.dropped and state.over:
        return replace(state, dropped=True), (*actions, DropNetwork())
    return state, actions


def _step(state: PodState, event: Event) -> Step:
    match event:
        case Networked(ips, at):
            if state.deleting is not None:
                return _finished(replace(state, ips=ips))
            return _advance(replace(state, ips=ips, problem=None, networked=at))
        case NetworkFailed(message):
            if state.deleting is not None:
                return _finished(replace(state, problem=("FailedCreatePodSandBox", message)))
            failed = replace(state, problem=("FailedCreatePodSandBox", message))
            return failed, (Tell("Warning", "FailedCreatePodSandBox", message), Wake("", BACKOFF_FIRST))
        case Started(name, at):
            return _started(state, name, at)
        case StartFailed(name, "StartError", message, _, at):
            return _not_run(state, name, message, at)
        case StartFailed(name, reason, message, retry):
            return _start_failed(state, name, reason, message, retry)
        case Exited():
            return _exited(state, event)
        case Probed():
            return _probed(state, event)
        case Withdrawn(name):
            container = state.containers[name]
            stopping = container.stage == "stopping" and container.ready
            return (_put(state, name, replace(container, ready=False)), ()) if stopping else (state, ())
        case Waited(""):
            return (state, (MakeNetwork(),)) if state.problem and state.deleting is None else (state, ())
        case Waited(name):
            container = state.containers[name]
            if state.deleting is not None or state.expired or container.stage not in ("ended", "backoff", "waiting"):
                return state, ()
            return _start(state, name)
        case Added(plan):
            return _added(state, plan)
        case Expired(grace):
            return _expire(state, grace)
        case Deletion(grace, at):
            return _delete(state, grace, at)
        case Vanished():
            return _vanish(state)


def _initial(before: Before) -> Container:
    return Container(
        reason="ContainerCreating",
        restarts=before.restarts,
        goes_on=before.goes_on,
        started=before.started if before.goes_on else 0.0,
        passed=before.goes_on,
        ready=before.goes_on and before.ready,
    )


def _put(state: PodState, name: str, container: Container) -> PodState:
    return replace(state, containers={**state.containers, name: container})


def _plan(state: PodState, name: str) -> ContainerPlan:
    return next(plan for plan in state.plans if plan.name == name)


def _start(state: PodState, name: str) -> Step:
    container = state.containers[name]
    again = container.stage in ("exited", "ended", "backoff")
    starting = replace(container, stage="starting", restarts=container.restarts + again)
    return _put(state, name, starting), (Start(name, starting.restarts),)


def _advance(state: PodState) -> Step:
    """Starts what may start now: init containers one after another, then all others at once; ephemeral ones always."""
    actions: list[Action] = []
    if state.expired:
        return state, ()
    blocked = False
    for plan in state.plans:
        container = state.containers[plan.name]
        if blocked and plan.role != "ephemeral":
            continue
        if container.stage == "waiting" and not container.message:
            state, started = _start(state, plan.name)
            actions += started
        blocked = blocked or not container.initialized(plan)
    return state, tuple(actions)


def _added(state: PodState, plan: ContainerPlan) -> Step:
    if plan.name in state.containers or state.deleting is not None or state.phase in ("Succeeded", "Failed"):
        return state, ()
    state = _put(replace(state, plans=(*state.plans, plan)), plan.name, _initial(Before()))
    return _advance(state) if state.ips else (state, ())


def _started(state: PodState, name: str, at: float) -> Step:
    plan, container = _plan(state, name), state.containers[name]
    if container.stage == "stopping":  # told to stop while it started
        return _put(state, name, replace(container, started=at)), ()
    if state.deleting is not None:  # a sidecar, which is ended when the others have
        return _finished(_put(state, name, replace(container, stage="running", started=at)), at)
    if container.goes_on:
        running = replace(container, stage="running", goes_on=False)
        kinds = plan.probes - {"startup"}
        return _put(state, name, running), (Probe(name, kinds),) if kinds else ()
    passed = "startup" not in plan.probes
    running = Container(
        stage="running",
        started=at,
        passed=passed,
        ready=passed and "readiness" not in plan.probes and plan.role != "init",
        restarts=container.restarts,
        delay=container.delay,
        last=container.exit or container.last,
    )
    state = _put(state, name, running)
    actions: list[Action] = [Tell("Normal", "Started", f"Started container {name}")]
    kinds = plan.probes - {"startup"} if passed else frozenset[ProbeKind]({"startup"})
    if kinds:
        actions.append(Probe(name, kinds))
    if plan.role == "sidecar":
        state, more = _advance(state)
        actions += more
    return state, tuple(actions)


def _start_failed(state: PodState, name: str, reason: str, message: str, retry: float | None) -> Step:
    container = state.containers[name]
    if state.deleting is not None:
        return _finished(_put(state, name, replace(container, stage="exited")))
    if state.phase in ("Succeeded", "Failed"):
        return _put(state, name, replace(container, stage="exited")), ()
    waits = "ContainerCreating" if reason == "FailedMount" else reason
    waiting = replace(container, stage="waiting", reason=waits, message=message or reason, ready=False)
    actions: tuple[Action, ...] = () if retry is None else (Wake(name, retry),)
    said = Tell("Warning", reason, message) if reason == "FailedMount" else _failed(message or reason)
    return _put(state, name, waiting), (said, *actions)


NOT_RUN = 128
"""The exit code that containerd gives a container whose program could not be run."""


def _not_run(state: PodState, name: str, message: str, at: float) -> Step:
    state = _put(state, name, replace(state.containers[name], started=at))
    state, actions = _exited(state, Exited(name, NOT_RUN, 0, at, message, "StartError"))
    return state, (_failed(message), *actions)


def _failed(message: str) -> Tell:
    return Tell("Warning", "Failed", f"Error: {message}")


def _exited(state: PodState, event: Exited) -> Step:
    name, plan, container = event.container, _plan(state, event.container), state.containers[event.container]
    ended = Exit(
        event.code,
        event.signal,
        container.started,
        event.at,
        event.reason or ("Completed" if event.code == 0 else "Error"),
        event.message,
    )
    exited = replace(container, stage="exited", ready=False, passed=False, exit=ended)
    actions: list[Action] = [EndProbes(name)]
    if state.deleting is not None:
        state, more = _finished(_put(state, name, exited), event.at)
        return state, (*actions, *more)
    if state.expired or state.phase in ("Succeeded", "Failed"):
        return _put(state, name, exited), tuple(actions)
    if not _restarts(plan, event.code):
        state, more = _advance(_put(state, name, exited))
        if state.phase in ("Succeeded", "Failed"):
            state, ends = _end_others(state)
            more += ends
        return state, (*actions, *more)
    delay = 0.0 if event.at - container.started >= BACKOFF_FORGET else container.delay
    again = replace(
        exited,
        delay=min(delay * 2, BACKOFF_LAST) if delay else BACKOFF_FIRST,
    )
    soon = RELIST - (event.at - container.started)
    if not delay and event.reason:
        waiting = replace(again, stage="backoff", reason="RunContainerError", message=event.message)
        return _put(state, name, waiting), (*actions, Wake(name, RELIST))
    if not delay and soon > 0:
        return _put(state, name, replace(again, stage="ended")), (*actions, Wake(name, soon))
    if not delay:
        state, more = _start(_put(state, name, again), name)
        return state, (*actions, *more)
    text = f"Back-off restarting failed container {name}"
    again = replace(again, stage="backoff", reason="CrashLoopBackOff", message=f"back-off {delay:.0f}s {text[9:]}")
    return _put(state, name, again), (*actions, Tell("Warning", "BackOff", text), Wake(name, delay))


def _end_others(state: PodState) -> Step:
    """The pod is over: what still runs ends, sidecars too, and is not restarted (KEP-753)."""
    actions: list[Action] = []
    for plan in reversed(state.plans):
        container = state.containers[plan.name]
        if container.stage in ("starting", "running"):
            state = _put(state, plan.name, replace(container, stage="stopping", ready=False))
            actions += [_killing(plan.name), EndProbes(plan.name), Stop(plan.name, 30.0)]
    return state, tuple(actions)


def _restarts(plan: ContainerPlan, code: int) -> bool:
    if plan.role == "init":
        return code != 0 and plan.restart != "Never"
    return plan.restart == "Always" or (plan.restart == "OnFailure" and code != 0)


def _probed(state: PodState, event: Probed) -> Step:
    name, plan, container = event.container, _plan(state, event.container), state.containers[event.container]
    if container.stage != "running":
        return state, ()
    match event.kind, event.ok:
        case "readiness", ok:
            return _put(state, name, replace(container, ready=ok and container.passed)), ()
        case "startup", True:
            passed = replace(container, passed=True, ready="readiness" not in plan.probes)
            actions: list[Action] = [EndProbes(name)]
            if rest := plan.probes - {"startup"}:
                actions.append(Probe(name, frozenset(rest)))
            state, more = _advance(_put(state, name, passed))
            return state, (*actions, *more)
        case "liveness", True:
            return state, ()
        case _:
            text = f"Container {name} failed {event.kind} probe, will be restarted"
            stopping = replace(container, stage="stopping", ready=False)
            grace = 30.0 if state.deleting is None else state.deleting
            return _put(state, name, stopping), (
                Tell("Normal", "Killing", text),
                EndProbes(name),
                Stop(name, grace),
            )


DEADLINE = "Pod was active on the node longer than the specified deadline"


def _expire(state: PodState, grace: float) -> Step:
    if state.deleting is not None or state.phase in ("Succeeded", "Failed"):
        return state, ()
    actions: list[Action] = [Tell("Normal", "DeadlineExceeded", DEADLINE)]
    containers = dict(state.containers)
    for plan in state.plans:
        container = containers[plan.name]
        containers[plan.name] = replace(container, stage="stopping" if container.alive else "exited", ready=False)
        if container.alive:
            actions += [EndProbes(plan.name), Stop(plan.name, grace)]
    return replace(state, containers=containers, expired=True), tuple(actions)


def _delete(state: PodState, grace: float, at: float = 0.0) -> Step:
    """Sidecars are ended by `_finished` when all others have ended; without grace all end at once."""
    if state.deleting is not None and grace >= state.deleting:
        return state, ()
    first = state.deleting is None
    state = replace(state, deleting=grace, deleted=at if first else state.deleted)
    actions: list[Action] = [Drain()] if first else []
    containers = dict(state.containers)
    for plan in state.plans:
        container = containers[plan.name]
        if not container.alive:
            containers[plan.name] = replace(container, stage="exited")
        elif plan.role != "sidecar" or container.stage == "stopping" or not grace:
            containers[plan.name] = replace(container, stage="stopping")
            if first:
                actions.append(_killing(plan.name))
            actions.append(Stop(plan.name, grace))
    state, more = _finished(replace(state, containers=containers), at)
    return state, (*actions, *more)


def _killing(name: str) -> Tell:
    return Tell("Normal", "Killing", f"Stopping container {name}")


LEAST_GRACE = 2.0
"""Seconds that a sidecar has at least, however long the others took."""


def _finished(state: PodState, at: float = 0.0) -> Step:
    """The end of a pod that is being deleted, once no container lives and no network is being made.

    Before that sidecars are ended, the last to have started first, within what is left of the grace period:
    https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination-with-sidecars
    """
    networking = not state.ips and state.problem is None
    alive = [plan for plan in state.plans if state.containers[plan.name].alive]
    if not networking and not alive:
        return replace(state, gone=True), (Finish(),) if state.dropped else (DropNetwork(), Finish())
    waiting = all(plan.role == "sidecar" and state.containers[plan.name].stage != "stopping" for plan in alive)
    if not alive or not waiting:
        return state, ()
    name, grace = alive[-1].name, state.deleting or 0.0
    left = max(LEAST_GRACE, grace - (at - state.deleted)) if at and state.deleted else grace
    state = _put(state, name, replace(state.containers[name], stage="stopping"))
    return state, (_killing(name), EndProbes(name), Stop(name, min(left, grace)))


def _vanish(state: PodState) -> Step:
    if state.deleting == 0.0:
        return state, ()
    state, actions = _delete(state, 0.0)
    return state, actions
