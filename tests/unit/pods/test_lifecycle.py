"""A pod's life played as events: what the machine decides at each step."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given, settings
from hypothesis import strategies as st

from play import Play
from sealane.dataplane.pods import lifecycle
from sealane.dataplane.pods.lifecycle import step
from sealane.dataplane.pods.states import (
    Added,
    Before,
    ContainerPlan,
    Deletion,
    Drain,
    DropNetwork,
    EndProbes,
    Event,
    Exited,
    Expired,
    Finish,
    MakeNetwork,
    Networked,
    NetworkFailed,
    PodState,
    Probe,
    Probed,
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

IPS = ("10.244.1.2", "fd00:10:244:1::2")
WEB = ContainerPlan("web", "main", "Always")


class Pod(Play):
    """A pod of these containers. Events for people are left out of what comes out."""

    def __init__(self, *plans: ContainerPlan) -> None:
        super().__init__(self._step)
        self.state, actions = lifecycle.begin(plans, 100.0)
        assert actions == (MakeNetwork(),)

    def _step(self, event: Event) -> Iterator[object]:
        self.state, actions = step(self.state, event)
        return (action for action in actions if not isinstance(action, Tell))

    def stage(self, name: str) -> str:
        return self.state.containers[name].stage


def running(*plans: ContainerPlan) -> Pod:
    play = Pod(*plans)
    play >> Networked(IPS, 101.0)
    for plan in plans:
        play >> Started(plan.name, 102.0)
    return play


def test_a_simple_pod_is_ready_after_two_events() -> None:
    play = Pod(WEB)
    assert play.state.phase == "Pending"
    play >> Networked(IPS, 101.0) << Start("web", 0)
    play >> Started("web", 102.0) << []
    assert (play.state.phase, play.state.ready, play.state.initialized) == ("Running", True, True)


def test_a_network_that_fails_is_made_again() -> None:
    play = Pod(WEB)
    play >> NetworkFailed("no address", 101.0) << Wake("", 10.0)
    assert play.state.problem == ("FailedCreatePodSandBox", "no address")
    play >> Waited("") << MakeNetwork()
    play >> Networked(IPS, 120.0) << Start("web", 0)
    assert play.state.problem is None


def test_init_containers_run_one_after_another_and_then_all_others() -> None:
    play = Pod(ContainerPlan("a", "init", "Always"), ContainerPlan("b", "init", "Always"), WEB)
    play >> Networked(IPS, 1.0) << Start("a", 0)
    play >> Started("a", 2.0) >> Exited("a", 0, 0, 3.0) << [EndProbes("a"), Start("b", 0)]
    play >> Started("b", 4.0)
    assert not play.state.initialized
    play >> Exited("b", 0, 0, 5.0) << [EndProbes("b"), Start("web", 0)]
    assert play.state.initialized
    assert play.state.phase == "Pending"


def test_an_init_container_that_fails_under_never_fails_the_pod() -> None:
    play = Pod(ContainerPlan("a", "init", "Never"), ContainerPlan("web", "main", "Never"))
    play >> Networked(IPS, 1.0) >> Started("a", 2.0) >> Exited("a", 1, 0, 3.0) << [EndProbes("a"), DropNetwork()]
    assert play.state.phase == "Failed"


def test_a_sidecar_starts_before_what_follows_and_must_have_passed_its_startup_probe() -> None:
    play = Pod(ContainerPlan("proxy", "sidecar", "Always", frozenset({"startup"})), WEB)
    play >> Networked(IPS, 1.0) << Start("proxy", 0)
    play >> Started("proxy", 2.0) << Probe("proxy", frozenset({"startup"}))
    play >> Probed("proxy", "startup", True) << [EndProbes("proxy"), Start("web", 0)]


def test_sidecars_end_when_the_last_container_has_and_are_not_restarted() -> None:
    names = ("logs", "proxy")
    play = Pod(
        *(ContainerPlan(name, "sidecar", "Always", frozenset({"liveness"})) for name in names),
        ContainerPlan("job", "main", "Never"),
    )
    play >> Networked(IPS, 1.0) >> Started("logs", 2.0) >> Started("proxy", 2.0) >> Started("job", 2.0)
    ends = [[EndProbes(name), Stop(name, 30.0)] for name in ("proxy", "logs")]
    play >> Exited("job", 0, 0, 3.0) << [EndProbes("job"), *ends[0], *ends[1]]
    assert play.state.phase == "Succeeded"
    play >> Exited("proxy", 0, 0, 4.0) << EndProbes("proxy")
    play >> Exited("logs", 143, 15, 4.0) << [EndProbes("logs"), DropNetwork()]
    assert (play.stage("proxy"), play.stage("logs"), play.state.phase) == ("exited", "exited", "Succeeded")


def test_a_pod_that_has_ended_gives_its_network_back_once() -> None:
    job = ContainerPlan("job", "main", "Never")
    play = running(job)
    play >> Exited("job", 0, 0, 103.0) << [EndProbes("job"), DropNetwork()]
    play >> Added(ContainerPlan("debug", "ephemeral", "Never")) << []
    play >> Deletion(30.0) << [Drain(), Finish()]
    late = Pod(job)
    late >> Expired(0.0) << []
    late >> Networked(IPS, 101.0) << DropNetwork()


def test_backoff_begins_with_the_second_restart_doubles_and_is_forgotten_after_ten_minutes() -> None:
    play = running(WEB)
    play >> Exited("web", 1, 0, 103.0) << [EndProbes("web"), Start("web", 1)]
    now, delays = 103.0, []
    for _ in range(7):
        play >> Started("web", now) >> Exited("web", 1, 0, now + 1)
        (_, wake) = play.said
        assert isinstance(wake, Wake)
        assert play.state.containers["web"].reason == "CrashLoopBackOff"
        delays.append(wake.seconds)
        now += 1 + wake.seconds
        play >> Waited("web") << Start("web", len(delays) + 1)
    assert delays == [10, 20, 40, 80, 160, 300, 300]
    assert play.state.containers["web"].restarts == 8
    play >> Started("web", now) >> Exited("web", 1, 0, now + 601) << [EndProbes("web"), Start("web", 9)]


def test_a_program_that_ends_at_once_is_seen_as_ended_before_its_first_restart() -> None:
    play = running(WEB)
    began = play.state.containers["web"].started
    play >> Exited("web", 0, 0, began + 0.25) << [EndProbes("web"), Wake("web", 0.75)]
    assert play.state.phase == "Running"
    play >> Waited("web") << Start("web", 1)


def test_restart_policies() -> None:
    for policy, code, restarted, phase in (
        ("OnFailure", 1, True, "Running"),
        ("OnFailure", 0, False, "Succeeded"),
        ("Never", 1, False, "Failed"),
        ("Never", 0, False, "Succeeded"),
        ("Always", 0, True, "Running"),
    ):
        play = running(ContainerPlan("job", "main", policy))  # type: ignore[arg-type]
        play >> Exited("job", code, 0, 103.0)
        assert (Start("job", 1) in play.said) is restarted, policy
        assert play.state.phase == phase, (policy, code)


def test_readiness_follows_its_probe() -> None:
    play = running(ContainerPlan("web", "main", "Always", frozenset({"readiness"})))
    assert not play.state.ready
    play >> Probed("web", "readiness", True)
    assert play.state.ready
    play >> Probed("web", "readiness", False, "503")
    assert not play.state.ready
    assert play.state.phase == "Running"


def test_other_probes_wait_for_the_startup_probe() -> None:
    play = Pod(ContainerPlan("web", "main", "Always", frozenset({"startup", "readiness", "liveness"})))
    play >> Networked(IPS, 1.0) >> Started("web", 2.0) << Probe("web", frozenset({"startup"}))
    (
        play
        >> Probed("web", "startup", True)
        << [
            EndProbes("web"),
            Probe("web", frozenset({"readiness", "liveness"})),
        ]
    )


def test_a_failed_liveness_probe_stops_the_container_which_is_started_anew() -> None:
    play = running(ContainerPlan("web", "main", "Always", frozenset({"liveness"})))
    play >> Probed("web", "liveness", False, "timeout") << [EndProbes("web"), Stop("web", 30.0)]
    assert not play.state.ready
    play >> Exited("web", 0, 0, 104.0) << [EndProbes("web"), Start("web", 1)]


def test_what_cannot_start_waits_with_its_reason_and_is_tried_again() -> None:
    play = Pod(WEB)
    play >> Networked(IPS, 1.0)
    failed = StartFailed("web", "CreateContainerConfigError", 'configmap "x" not found', 1.0, 2.0)
    play >> failed << Wake("web", 1.0)
    assert play.state.containers["web"].message == 'configmap "x" not found'
    play >> Waited("web") << Start("web", 0)


def test_a_program_that_cannot_be_run_is_a_run_that_has_ended() -> None:
    play = Pod(WEB)
    play >> Networked(IPS, 1.0)
    play >> StartFailed("web", "StartError", "no web", None, 700.0) << [EndProbes("web"), Wake("web", 1.0)]
    container = play.state.containers["web"]
    assert (container.stage, container.reason, container.message) == ("backoff", "RunContainerError", "no web")
    assert container.exit is not None
    assert (container.exit.code, container.exit.reason, container.exit.message) == (128, "StartError", "no web")
    play >> Waited("web") << Start("web", 1)
    play >> StartFailed("web", "StartError", "no web", None, 701.0) << [EndProbes("web"), Wake("web", 10.0)]
    assert play.state.containers["web"].reason == "CrashLoopBackOff"
    once = Pod(ContainerPlan("web", "main", "Never"))
    once >> Networked(IPS, 1.0)
    once >> StartFailed("web", "StartError", "no web", None, 2.0) << [EndProbes("web"), DropNetwork()]
    assert once.state.phase == "Failed"


def test_after_a_crash_of_the_agent_what_ran_on_stays_ready_and_what_died_is_a_restart() -> None:
    plans = [ContainerPlan("web", "main", "Always", frozenset({"readiness"})), ContainerPlan("cmd", "main", "Always")]
    state, _ = lifecycle.begin(plans, 1.0, {"web": Before(2, True, 50.0, True), "cmd": Before(4)})
    events: list[Event] = [Networked(IPS, 101.0), Started("web", 102.0), Started("cmd", 102.0)]
    for event in events:
        state, _ = step(state, event)
    web, cmd = state.containers["web"], state.containers["cmd"]
    assert (web.restarts, web.started, web.ready) == (2, 50.0, True)
    assert (cmd.restarts, cmd.started, cmd.ready) == (4, 102.0, True)


def test_graceful_deletion_drains_stops_and_only_then_takes_the_network() -> None:
    play = running(WEB, ContainerPlan("log", "main", "Always"))
    play >> Deletion(30.0) << [Drain(), Stop("web", 30.0), Stop("log", 30.0)]
    play >> Deletion(30.0) << []
    play >> Exited("web", 0, 0, 110.0) << EndProbes("web")
    play >> Exited("log", 137, 9, 111.0) << [EndProbes("log"), DropNetwork(), Finish()]
    assert play.state.gone


def test_what_is_withdrawn_is_not_ready_while_it_goes_on() -> None:
    play = running(WEB)
    play >> Withdrawn("web") << []
    assert play.state.ready
    play >> Deletion(30.0)
    assert play.state.ready
    play >> Withdrawn("web") << []
    assert not play.state.ready
    assert play.stage("web") == "stopping"


def test_a_pod_that_vanishes_while_it_ends_is_killed() -> None:
    play = running(WEB)
    play >> Deletion(30.0) >> Vanished() << Stop("web", 0.0)


def test_deletion_while_the_network_is_being_made_waits_for_it() -> None:
    play = Pod(WEB)
    play >> Deletion(5.0) << Drain()
    play >> Networked(IPS, 2.0) << [DropNetwork(), Finish()]


def test_deletion_while_a_container_starts_stops_it() -> None:
    play = Pod(WEB)
    play >> Networked(IPS, 1.0) >> Deletion(5.0) << [Drain(), Stop("web", 5.0)]
    play >> Started("web", 2.0) << []
    play >> Exited("web", 0, 0, 3.0) << [EndProbes("web"), DropNetwork(), Finish()]


@settings(max_examples=200, deadline=None)
@given(st.data())
def test_whatever_happens_the_pod_ends_when_it_is_deleted(data: st.DataObject) -> None:
    """After any sequence of events, deletion leads to exactly one Finish, with no container left alive."""
    policy = data.draw(st.sampled_from(["Always", "OnFailure", "Never"]))
    plans = [
        ContainerPlan("i", "init", policy),
        ContainerPlan("s", "sidecar", "Always", frozenset({"startup"})),
        ContainerPlan("m", "main", policy, frozenset({"readiness", "liveness"})),
    ]
    state, actions = lifecycle.begin(plans, 0.0)
    pending: list[object] = list(actions)
    finished = 0
    now = 0.0

    def feed(state: PodState, event: Event) -> PodState:
        nonlocal finished
        state, more = step(state, event)
        pending.extend(more)
        finished += sum(isinstance(action, Finish) for action in more)
        return state

    def answer(state: PodState, action: object, lucky: bool) -> PodState:
        match action:
            case MakeNetwork():
                return feed(state, Networked(IPS, now) if lucky else NetworkFailed("no", now))
            case Start(name):
                return feed(state, Started(name, now) if lucky else StartFailed(name, "No", "no", 1.0, now))
            case Stop(name):
                if state.containers[name].alive:
                    return feed(state, Exited(name, 0 if lucky else 137, 0, now))
            case Wake(name):
                return feed(state, Waited(name))
            case Probe(name, kinds):
                for kind in sorted(kinds):
                    state = feed(state, Probed(name, kind, lucky))
        return state

    for _ in range(data.draw(st.integers(0, 30))):
        now += data.draw(st.sampled_from([0.1, 20.0, 700.0]))
        alive = [name for name, one in state.containers.items() if one.stage == "running"]
        if pending and data.draw(st.booleans()):
            state = answer(state, pending.pop(0), data.draw(st.booleans()))
        elif alive:
            state = feed(state, Exited(data.draw(st.sampled_from(alive)), data.draw(st.sampled_from([0, 1])), 0, now))
    state = feed(state, Deletion(data.draw(st.sampled_from([0.0, 30.0]))))
    for _ in range(200):
        if not pending:
            break
        state = answer(state, pending.pop(0), True)
    assert state.gone
    assert finished == 1
    assert not any(container.alive for container in state.containers.values())


def test_an_ephemeral_container_comes_later_counts_for_nothing_and_is_not_run_again() -> None:
    play = running(WEB)
    play >> Added(ContainerPlan("debug", "ephemeral", "Never")) << Start("debug", 0)
    play >> Added(ContainerPlan("debug", "ephemeral", "Never")) << []
    assert (play.state.phase, play.state.ready) == ("Running", True)
    play >> Started("debug", 103.0) >> Exited("debug", 1, 0, 104.0) << EndProbes("debug")
    assert (play.state.phase, play.state.ready) == ("Running", True)


def test_an_ephemeral_container_does_not_wait_for_init_containers() -> None:
    play = Pod(ContainerPlan("a", "init", "Always"), WEB)
    play >> Added(ContainerPlan("debug", "ephemeral", "Never"))
    play >> Networked(IPS, 1.0) << [Start("a", 0), Start("debug", 0)]


def test_a_pod_that_is_active_for_too_long_fails_and_is_not_run_again() -> None:
    play = running(WEB, ContainerPlan("proxy", "main", "Always"))
    play >> Expired(5.0) << [EndProbes("web"), Stop("web", 5.0), EndProbes("proxy"), Stop("proxy", 5.0)]
    assert play.state.phase == "Failed"
    play >> Exited("web", 143, 15, 110.0) << EndProbes("web")
    play >> Exited("proxy", 137, 9, 110.0) << [EndProbes("proxy"), DropNetwork()]
    assert play.stage("web") == "exited"
    play >> Waited("web") << []
    play >> Deletion(30.0) << [Drain(), Finish()]


def test_sidecars_end_after_the_others_in_reverse_order_with_the_grace_that_is_left() -> None:
    play = Pod(ContainerPlan("a", "sidecar", "Always"), ContainerPlan("b", "sidecar", "Always"), WEB)
    play >> Networked(IPS, 100.0)
    for name in ("a", "b", "web"):
        play >> Started(name, 100.0)
    play >> Deletion(30.0, 200.0) << [Drain(), Stop("web", 30.0)]
    play >> Exited("web", 0, 0, 210.0) << [EndProbes("web"), EndProbes("b"), Stop("b", 20.0)]
    play >> Exited("b", 0, 0, 229.5) << [EndProbes("b"), EndProbes("a"), Stop("a", 2.0)]
    play >> Exited("a", 0, 0, 231.0) << [EndProbes("a"), DropNetwork(), Finish()]


def test_without_grace_all_end_at_once() -> None:
    play = running(ContainerPlan("a", "sidecar", "Always"), WEB)
    play >> Deletion(0.0, 200.0) << [Drain(), Stop("a", 0.0), Stop("web", 0.0)]
