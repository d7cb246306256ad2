"""One pod: feeds the state machine with what happens and carries out what it decides."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import logging
import shutil
import signal
import time
from collections.abc import Callable, Coroutine, Iterator
from ipaddress import ip_address
from typing import Any

from sealane.dataplane.linux import namespaces
from sealane.dataplane.linux.topology import PodLink, has_ipv6, pod_namespace
from sealane.dataplane.pods import images, lifecycle, states
from sealane.dataplane.pods.addresses import Exhausted
from sealane.dataplane.pods.answers import answers
from sealane.dataplane.pods.container import CannotStart, Container
from sealane.dataplane.pods.environment import PATH
from sealane.dataplane.pods.files import kernel_name
from sealane.dataplane.pods.hidden import hidden
from sealane.dataplane.pods.nodes import Node
from sealane.dataplane.pods.plans import container_plans, containers_of, default_container
from sealane.dataplane.pods.probes import plan_probe, probe
from sealane.dataplane.pods.rootfs import RootPlan
from sealane.dataplane.pods.spawner import Launch
from sealane.dataplane.pods.spawning import Process, SpawnError
from sealane.dataplane.pods.states import Before, ContainerPlan, PodState, ProbeKind
from sealane.dataplane.pods.status import pod_status
from sealane.dataplane.pods.surroundings import Surroundings
from sealane.kube.objects import Object, Raw
from sealane.kube.times import seconds
from sealane.network.pods import is_over

log = logging.getLogger(__name__)

DEFAULT_GRACE = 30.0
WITHDRAW_SECONDS = 5.0
"""How long a stand-in that ends waits at most until no node sends UDP to it."""
PAUSE = ["sleep", "infinity"]


class PodShell:
    """Begun by `begin`, told of changes of its object by `changed` and `vanished`.

    on_change(self): its status is not what was last written. on_gone(self): nothing of it is left.
    """

    def __init__(
        self,
        around: Surroundings,
        node: Node,
        pod: Object,
        on_change: Callable[[PodShell], None],
        on_gone: Callable[[PodShell, bool], None],
    ) -> None:
        self.pod = pod
        self.node = node
        self.state: PodState | None = None
        self._around = around
        self._on_change = on_change
        self._on_gone = on_gone
        self._vanished = False
        self._given_back = False  # its addresses, before its end
        self._ephemeral: set[str] = set()  # those that it knows of
        self._containers: dict[str, Container] = {}
        self._ports: dict[str, set[tuple[str, int]]] = {}
        self._lacking: dict[str, str] = {}
        self._said: dict[str, str] = {}  # container -> how it is answered, as was told last
        self._sandbox: asyncio.Future[Process] | None = None  # holds the PID namespace that all share
        self._starting: dict[str, asyncio.Task[None]] = {}
        self._probes: dict[tuple[str, ProbeKind], asyncio.Task[None]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    @property
    def uid(self) -> str:
        return self.pod.uid

    @property
    def on_host_network(self) -> bool:
        return bool(self.pod.spec.get("hostNetwork"))

    @property
    def network(self) -> str:
        """The name of its network namespace."""
        return self.node.name if self.on_host_network else pod_namespace(self.uid)

    def container(self, name: str) -> Container | None:
        """By name; "" is the default container."""
        return self._containers.get(name or default_container(self.pod))

    def running(self) -> list[str]:
        """The containers that run now."""
        found = self.state.containers.items() if self.state else ()
        return [name for name, container in found if container.stage in ("running", "stopping")]

    def pids(self) -> Iterator[tuple[str, int]]:
        """The first process of each container that runs a program."""
        for name in self.running():
            if pid := self._containers[name].pid:
                yield name, pid

    def run_of(self, name: str) -> int | None:
        """Which run of a container this is, the first being 0; None when it does not run."""
        container = self.state.containers.get(name) if self.state else None
        return container.restarts if container is not None and container.alive else None

    def status(self) -> Raw:
        assert self.state is not None
        stand_ins = frozenset(name for name, container in self._containers.items() if container.is_stand_in)
        return pod_status(self.pod, self.state, self.node.ips, time.time(), stand_ins)

    # What happens

    def begin(self) -> None:
        plans = container_plans(self.pod)
        since = seconds(self.pod.status.get("startTime") or "") or time.time()
        # Ephemeral containers of before this agent are over, and are not started anew.
        self._ephemeral = {one["name"] for one in self.pod.status.get("ephemeralContainerStatuses") or ()}
        self.state, actions = lifecycle.begin(plans, since, self._before())
        for action in actions:
            self._do(action)
        self.changed(self.pod)
        deadline = self.pod.spec.get("activeDeadlineSeconds")
        if deadline is not None:
            grace = float(self.pod.spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE))
            left = max(0.0, since + float(deadline) - time.time())
            asyncio.get_running_loop().call_later(left, self.feed, states.Expired(grace))

    def _before(self) -> dict[str, Before]:
        """What the status that an agent before this one wrote says of the containers.

        Programs ended with that agent. Stand-ins did not: their server holds the sockets and the namespace is there.
        """
        here = self.on_host_network or namespaces.exists(self._around.run_dir, pod_namespace(self.uid))
        status = self.pod.status
        answered = answers(self.pod, (), self._around.on_machine)
        found: dict[str, Before] = {}
        for one in [*(status.get("initContainerStatuses") or ()), *(status.get("containerStatuses") or ())]:
            name, restarts, running = one["name"], one.get("restartCount", 0), one["state"].get("running")
            stand_in = isinstance(answered.get(name), images.StandIn)
            if here and stand_in and running:
                found[name] = Before(restarts, True, seconds(running["startedAt"]), bool(one.get("ready")))
            elif one.get("containerID"):
                found[name] = Before(restarts + 1)
        return found

    def changed(self, pod: Object) -> None:
        """The API object is now this."""
        self.pod = pod
        self._give_back()
        if pod.spec.get("readinessGates") and self.has_network():  # whose conditions others write
            self._on_change(self)
        for raw in pod.spec.get("ephemeralContainers") or ():
            if raw["name"] not in self._ephemeral:
                self._ephemeral.add(raw["name"])
                self.feed(states.Added(ContainerPlan(raw["name"], "ephemeral", "Never")))
        if pod.deleting:
            grace = pod.metadata.get("deletionGracePeriodSeconds")
            self.feed(states.Deletion(DEFAULT_GRACE if grace is None else float(grace), time.time()))

    def services_changed(self) -> None:
        """A Service that selects the pod has come, or has changed."""
        if self.state is not None and self.state.dropped:
            return
        for name, container in self._containers.items():
            self._task(self._listen_more(name, container))

    def vanished(self) -> None:
        """The API object is gone."""
        self._vanished = True
        self.feed(states.Vanished())

    def feed(self, event: states.Event) -> None:
        assert self.state is not None
        before = self.state
        self.state, actions = lifecycle.step(self.state, event)
        for action in actions:
            self._do(action)
        if self.state is not before and not self._vanished:
            self._on_change(self)

    def has_network(self) -> bool:
        """It has one, or it was tried in vain."""
        assert self.state is not None
        return bool(self.state.ips or self.state.problem)

    def settling(self) -> bool:
        """A container is about to start: its status will change in a moment."""
        assert self.state is not None
        return any(container.stage == "starting" for container in self.state.containers.values())

    # What is done

    def _do(self, action: states.Action) -> None:
        match action:
            case states.MakeNetwork():
                self._task(self._make_network())
            case states.DropNetwork():
                self._give_back()
            case states.Finish():
                self._task(self._finish())
            case states.Start(name, attempt):
                self._starting[name] = self._task(self._start(name, attempt))
            case states.Stop(name, grace):
                self._task(self._stop(name, grace))
            case states.Drain():
                for container in self._containers.values():
                    container.drain()
            case states.Probe(name, kinds):
                for kind in kinds:
                    self._probe(name, kind)
            case states.EndProbes(name):
                for key in [key for key in self._probes if key[0] == name]:
                    self._probes.pop(key).cancel()
            case states.Wake(name, seconds):
                asyncio.get_running_loop().call_later(seconds, self.feed, states.Waited(name))
            case states.Tell(type_, reason, message):
                self.tell(type_, reason, message)

    def tell(self, type_: str, reason: str, message: str) -> None:
        self._around.recorder.record(self.pod, type_, reason, message, host=self.node.name)

    def _task(self, work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)
        return task

    def leave(self) -> list[asyncio.Task[None]]:
        """Ends all work on this pod, which itself stays as it is; the tasks that are ending."""
        ending = list(self._tasks)
        for task in ending:
            task.cancel()
        return ending

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("%s: %s", self.pod.key, error, exc_info=error)

    async def _make_network(self) -> None:
        if self.on_host_network:
            self.feed(states.Networked(self.node.ips, time.time()))
            return
        try:
            kernel_name(self.pod)
            ips = self.node.addresses.take(self.uid, str(self.pod.status.get("podIP") or ""))
            ips = ips if has_ipv6() else ips[:1]
            link = PodLink(self.uid, tuple(ip_address(ip) for ip in ips))
            made = self.node.thread.run(self.node.links.create_pod, link)
            if self._around.policing is not None:
                await asyncio.gather(made, self._around.policing.admit(self.pod.key, self.uid, ips))
            else:
                await made
        except (OSError, Exhausted) as error:
            self._release()
            self.feed(states.NetworkFailed(str(error), time.time()))
        else:
            self.feed(states.Networked(ips, time.time()))

    def _give_back(self) -> None:
        """Ends the network of a pod that has ended, once the API says that it has.

        Whoever follows pods has been told then, or is told before hearing of the next holder of the addresses.
        """
        assert self.state is not None
        if self.state.dropped and not self._given_back and is_over(self.pod):
            self._given_back = True
            self._task(self._drop_network())

    async def _drop_network(self) -> None:
        if self._sandbox is not None and self._sandbox.done() and self._sandbox.exception() is None:
            self._sandbox.result().send_signal(signal.SIGKILL)
        if not self.on_host_network:
            await self.node.thread.run(self.node.links.delete_pod, self.uid)
            self._release()

    def _release(self) -> None:
        self.node.addresses.release(self.uid)
        if self._around.policing is not None:
            self._around.policing.dismiss(self.pod.key, self.uid)

    async def _start(self, name: str, attempt: int) -> None:
        assert self.state is not None
        container = self._containers.get(name)
        if container is None:
            container = self._containers[name] = self._open(name)
            self._tell_answer(name, container)
            for text in container.remarks():
                self.tell("Warning", "Contained", text)
        try:
            if self.pod.spec.get("shareProcessNamespace") and not container.is_stand_in:
                await self._share_processes()
            await container.start(attempt)
        except CannotStart as error:
            self.feed(states.StartFailed(name, error.reason, str(error), error.retry, time.time()))
            return
        self._tell_answer(name, container)
        if container.without:
            what = ", ".join(container.without)
            self.tell("Warning", "StartedWithout", f"Container {name}: {what}; the stand-in starts as if it were empty")
        failure = await container.hook("postStart")
        self.feed(states.Started(name, time.time()))
        if not container.is_stand_in:
            self._task(self._await_end(name, container))
        if failure:
            self.tell("Warning", "FailedPostStartHook", failure)
            self._task(self._stop(name, 0.0))

    def _open(self, name: str) -> Container:
        assert self.state is not None
        raw = next(one for one in containers_of(self.pod) if one["name"] == name)
        net = namespaces.path_of(self._around.run_dir, self.network)
        target = self._containers.get(raw.get("targetContainerName") or "")

        def beside() -> int:
            shared = self._sandbox.result().pid if self._sandbox is not None else 0
            return target.pid if target is not None else shared

        return Container(
            self._around, self.node, self.pod, raw, net, self.state.ips, self._ports, self._lacking, beside=beside
        )

    def _tell_answer(self, name: str, container: Container) -> None:
        says = container.answer.says
        if says != self._said.get(name):
            self._said[name] = says
            reason = "TakenAsDone" if isinstance(container.answer, images.Done) else "Answered"
            self.tell("Normal", reason, f"Container {name}: {says}")

    async def _share_processes(self) -> None:
        """Begins the process that holds the PID namespace of the pod's containers. Raises CannotStart.

        https://kubernetes.io/docs/tasks/configure-pod-container/share-process-namespace/
        """
        if self._sandbox is None:
            root = RootPlan(str(self._around.pod_dir(self.uid) / "sandbox"), hide=hidden(self._around.hide))
            net = namespaces.path_of(self._around.run_dir, self.network)
            launch = Launch(
                0,
                PAUSE,
                {"PATH": PATH},
                str(net),
                root=root,
                container=f"{self.uid}/.sandbox",
                fresh=True,
                capabilities=[],
            )
            self._sandbox = asyncio.ensure_future(self._around.spawner.launch(launch, ()))
        try:
            await asyncio.shield(self._sandbox)
        except SpawnError as error:
            raise CannotStart("CreatePodSandboxError", str(error), None) from None

    async def _await_end(self, name: str, container: Container) -> None:
        ended = await container.ended()
        if (why := container.lacks(ended.code)) and await self._fall_back(name, container, why):
            return
        message = container.last_words(ended.code)
        self.feed(states.Exited(name, ended.code, ended.signal, time.time(), message))

    async def _fall_back(self, name: str, container: Container, why: str) -> bool:
        """Whether a container whose program needed its image goes on in another way, or is taken as done."""
        assert self.state is not None
        if self.state.containers[name].stage != "running":
            return False
        container.fall_back(why)
        self._tell_answer(name, container)
        if isinstance(container.answer, images.Done):
            self.feed(states.Exited(name, 0, 0, time.time()))
            return True
        try:
            await container.start(container.attempt)
        except CannotStart as error:
            log.info("%s: %s", self.pod.key, error)
            return False
        self._on_change(self)
        return True

    async def _listen_more(self, name: str, container: Container) -> None:
        if ports := await container.listen_more():
            where = ", ".join(map(str, ports))
            self.tell("Normal", "Answered", f"Container {name}: the stand-in answers on {where} as well")

    async def _stop(self, name: str, grace: float) -> None:
        starting = self._starting.get(name)
        if starting is not None and not starting.done():
            await asyncio.wait((starting,))
        container = self._containers[name]
        assert self.state is not None
        if self.state.deleting is not None and container.is_stand_in:
            began = time.monotonic()
            await container.linger(grace)
            await self._withdraw(name, grace - (time.monotonic() - began))
        await container.stop(grace)
        if container.is_stand_in:
            self.feed(states.Exited(name, 0, 0, time.time()))

    async def _withdraw(self, name: str, left: float) -> None:
        """Waits, for `left` seconds at most, until no client is sent to a container that is about to end.

        A flow of UDP stays with its endpoint as long as that one serves (KEP-1669), so what a client sends from a port
        that it has used before would come to a closed socket until every node has heard that it is closed. Instead the
        pod is said to be not ready first, and answers until no node keeps a flow to it.
        """
        policing = self._around.policing
        assert self.state is not None
        if left <= 0 or policing is None or self.on_host_network or not policing.flows_to(self.state.ips):
            return
        self.feed(states.Withdrawn(name))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(policing.left(self.state.ips), min(left, WITHDRAW_SECONDS))

    def _probe(self, name: str, kind: ProbeKind) -> None:
        container = self._containers[name]
        if (name, kind) in self._probes:
            return
        assert self.state is not None
        raw: Raw = next(one for one in containers_of(self.pod) if one["name"] == name)[f"{kind}Probe"]
        report = functools.partial(self._report, name, kind)
        plan = plan_probe(kind, raw)
        check = functools.partial(container.checker.check, raw)
        failed = functools.partial(self._unhealthy, name, kind)
        words = container.checker.words(raw, plan.timeout)
        self._probes[name, kind] = self._task(probe(plan, check, report, failed=failed, words=words))

    def _unhealthy(self, name: str, kind: ProbeKind, message: str) -> None:
        if self.state is not None and self.state.containers[name].stage == "running":
            self.tell("Warning", "Unhealthy", f"{kind.capitalize()} probe failed: {message}")

    def _report(self, name: str, kind: ProbeKind, ok: bool, message: str) -> None:
        self.feed(states.Probed(name, kind, ok, message))

    async def _finish(self) -> None:
        for task in self._probes.values():
            task.cancel()
        for name in (*self._containers, *([".sandbox"] if self._sandbox else ())):
            self._around.spawner.forget(f"{self.uid}/{name}")
        await self._drop_network()
        folder = self._around.pod_dir(self.uid)
        if folder.exists():
            await asyncio.to_thread(shutil.rmtree, folder, True)
        self._on_gone(self, self._vanished)
