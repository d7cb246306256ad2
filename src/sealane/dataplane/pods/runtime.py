"""The pod runtime: all pods of this agent's nodes, from the API's pods to namespaces and back to their status."""

from __future__ import annotations

import asyncio
import logging
import shutil
from collections.abc import Coroutine, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sealane.dataplane.linux import namespaces
from sealane.dataplane.linux.handoff import Giver
from sealane.dataplane.linux.limits import raise_file_limit
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.dataplane.pods import rootfs
from sealane.dataplane.pods.nodes import Node, heartbeat, open_node, register
from sealane.dataplane.pods.shell import PodShell
from sealane.dataplane.pods.spawning import Spawner
from sealane.dataplane.pods.status import difference
from sealane.dataplane.pods.surroundings import Policing, Sources, Surroundings, search_path
from sealane.dataplane.pods.tokens import Tokens
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import POD
from sealane.kube.objects import Key, Object, Raw
from sealane.network.addresses import NodePlan
from sealane.network.pods import is_over
from sealane.reactive.collections import Change
from sealane.reactive.recorder import Recorder

if TYPE_CHECKING:
    from sealane.dataplane.pods.metering import Meter

log = logging.getLogger(__name__)

WRITERS = 16
SETTLE_SECONDS = 0.5
"""A pod whose containers are starting waits this long for them, so that most pods cost one status write."""
RETRY_SECONDS = 0.5
COMPLETE_CHECKS = 200


class PodRuntime:
    """Runs the pods that the API assigns to `nodes`.

    threads: one for each node, living in its namespace. sources: pods and what they refer to, as informers fill them;
    `run` when they are synced, so that no pod starts without its Services' variables.
    giver: hands sockets to the roles "stand-ins" and "dns". spawner: starts programs.
    run_dir: the tmpfs of the cluster's private mount namespace. log_dir: gets UID_CONTAINER.log files.
    path: the PATH with which the cluster was started (`search_path`).
    """

    def __init__(
        self,
        client: Client,
        nodes: Mapping[str, NodePlan],
        threads: Mapping[str, NamespaceThread],
        sources: Sources,
        giver: Giver,
        spawner: Spawner,
        *,
        run_dir: Path,
        log_dir: Path,
        hide: Sequence[str] = (),
        show: Sequence[str] = (),
        policing: Policing | None = None,
        strict_probes: bool = False,
        allow_host: bool = False,
        path: str = "",
    ) -> None:
        recorder = Recorder(client, "kubelet", parallel=1)  # behind everything else
        shown = tuple(rootfs.to_show(show))
        self.around = Surroundings(
            client,
            sources,
            giver,
            spawner,
            recorder,
            run_dir,
            log_dir,
            Tokens(client),
            hide=tuple(hide),
            show=shown,
            policing=policing,
            strict_probes=strict_probes,
            allow_host=allow_host,
            path=search_path(path, shown),
        )
        self._plans = nodes
        self._threads = threads
        self._nodes: dict[str, Node] = {}
        self._shells: dict[str, PodShell] = {}  # by uid
        self._keys: dict[Key, str] = {}
        self._written: dict[str, Raw] = {}  # uid -> status as last written
        self._ended: set[str] = set()  # uids of pods that have ended and that a finalizer keeps in the API
        self._dirty: dict[str, None] = {}
        self._wake = asyncio.Event()
        self._writing: set[str] = set()
        self._slots = asyncio.Semaphore(WRITERS)
        self._tasks: set[asyncio.Task[None]] = set()
        self._meter: Meter | None = None
        self.ready = asyncio.Event()
        """Set when the nodes are registered and pods are being run."""

    def find(self, namespace: str, name: str) -> PodShell | None:
        uid = self._keys.get(Key("", POD.kind, namespace, name))
        return None if uid is None else self._shells.get(uid)

    async def usage(self) -> Raw:
        """{"window": seconds, "pods": {uid: {container: Used}}, "nodes": {name: Used}}, `cpu` being a rate.

        A node uses what its pods do, and its share of this agent.
        """
        from sealane.dataplane.pods.metering import AGENT, Meter  # few clusters are asked
        from sealane.dataplane.pods.usage import Used

        self._meter = self._meter or Meter(self._pids)
        window, rates = await self._meter.rates()
        pods: dict[str, dict[str, Used]] = {}
        agent, among = rates[AGENT], len(self._nodes)
        nodes = dict.fromkeys(self._nodes, Used(agent.cpu / among, agent.memory // among))
        for uid, shell in self._shells.items():
            pods[uid] = {name: rates.get(f"{uid}/{name}", Used()) for name in shell.running()}
            nodes[shell.node.name] += sum(pods[uid].values(), Used())
        return {"window": window, "pods": pods, "nodes": nodes}

    def _pids(self) -> dict[str, int]:
        return {f"{uid}/{name}": pid for uid, shell in self._shells.items() for name, pid in shell.pids()}

    async def run(self) -> None:
        """Registers the nodes and runs their pods until cancelled."""
        raise_file_limit()
        self.around.log_dir.mkdir(parents=True, exist_ok=True)
        for name, plan in self._plans.items():
            self._nodes[name] = await open_node(self.around.run_dir, plan, self._threads[name])
        # All at once, so that the scheduler can spread what waits over all of them.
        await asyncio.gather(*(self._register(plan) for plan in self._plans.values()))
        await self._remove_leftovers()
        self._keep_addresses()
        unsubscribe = self.around.sources.pods.subscribe(self._receive)
        unsubscribe_services = self.around.sources.services.subscribe(self._receive_services)
        self.ready.set()
        self._task(self._complete(set(self._shells)), "complete")
        self._task(heartbeat(self.around.client, list(self._plans)), "heartbeat")
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                dirty, self._dirty = self._dirty, {}
                for uid in dirty:
                    await self._slots.acquire()
                    self._spawn_writer(uid)
        finally:
            unsubscribe()
            unsubscribe_services()
            for task in self._tasks:
                task.cancel()
            left = [task for shell in self._shells.values() for task in shell.leave()]
            await asyncio.gather(*left, return_exceptions=True)
            await self.around.recorder.stop()

    async def _complete(self, first: set[str]) -> None:
        """Tells the servers when the pods of before a crash have their sockets again, so that they drop only the
        others.
        """
        for _ in range(COMPLETE_CHECKS):
            waiting = (self._shells[uid] for uid in first if uid in self._shells)
            if all(shell.has_network() and not shell.settling() for shell in waiting):
                break
            await asyncio.sleep(SETTLE_SECONDS / 10)
        self.around.giver.completed()

    async def _register(self, plan: NodePlan) -> None:
        while True:
            try:
                await register(self.around.client, plan)
                return
            except (OSError, ApiError) as error:
                log.warning("node %s not registered yet: %s", plan.name, error)
                await asyncio.sleep(RETRY_SECONDS)

    async def _remove_leftovers(self) -> None:
        """Namespaces of pods that went, or ended, while no agent ran."""
        known = {f"pod-{pod.uid}" for pod in self.around.sources.pods.values() if not is_over(pod)}
        for name in namespaces.names(self.around.run_dir):
            if name.startswith("pod-") and name not in known:
                namespaces.delete(self.around.run_dir, name)

    def _keep_addresses(self) -> None:
        """Pods of before a crash keep their addresses: no new one gets them."""
        for pod in self.around.sources.pods.values():
            node, address = self._nodes.get(pod.spec.get("nodeName") or ""), pod.status.get("podIP")
            if node is not None and address and not pod.spec.get("hostNetwork") and not is_over(pod):
                node.addresses.take(pod.uid, address)

    # From the API

    def _receive(self, changes: Sequence[Change[Key, Object]]) -> None:
        for change in changes:
            pod = change.new
            known = self._keys.get(change.key)
            shell = self._shells.get(known) if known else None
            if change.old is not None and (pod is None or pod.uid != change.old.uid):
                self._ended.discard(change.old.uid)
            if shell is not None and (pod is None or pod.uid != shell.uid):
                del self._keys[change.key]
                shell.vanished()
                shell = None
            if pod is None:
                continue
            if shell is not None:
                shell.changed(pod)
            elif node := self._nodes.get(pod.spec.get("nodeName") or ""):
                if not is_over(pod):
                    self._begin(node, pod)
                elif pod.deleting and pod.uid not in self._ended and pod.uid not in self._shells:
                    self._ended.add(pod.uid)
                    self._task(self._bury(pod), "delete")

    def _receive_services(self, changes: Sequence[Change[Key, Object]]) -> None:
        selectors: dict[str, list[Raw]] = {}
        for change in changes:
            selector = change.new.spec.get("selector") if change.new is not None else None
            if selector:
                selectors.setdefault(change.key.namespace, []).append(selector)
        if selectors:
            for shell in self._shells.values():
                pod = shell.pod
                if any(each.items() <= pod.labels.items() for each in selectors.get(pod.namespace, ())):
                    shell.services_changed()

    def _begin(self, node: Node, pod: Object) -> None:
        if pod.uid in self._shells or pod.uid in self._ended:
            return
        shell = PodShell(self.around, node, pod, self._changed, self._gone)
        self._shells[pod.uid] = shell
        self._keys[pod.key] = pod.uid
        self._written[pod.uid] = dict(pod.status)
        shell.begin()

    # To the API

    def _changed(self, shell: PodShell) -> None:
        if shell.uid in self._writing:
            self._dirty[shell.uid] = None  # written again when the current write is through
            return
        if shell.settling():
            asyncio.get_running_loop().call_later(SETTLE_SECONDS, self._mark, shell.uid)
        else:
            self._mark(shell.uid)

    def _mark(self, uid: str) -> None:
        if uid in self._shells:
            self._dirty[uid] = None
            self._wake.set()

    def _spawn_writer(self, uid: str) -> None:
        shell = self._shells.get(uid)
        if shell is None or uid in self._writing:
            if shell is not None:
                self._dirty[uid] = None  # one write at a time for each pod: again when this one is through
            self._slots.release()
            return
        self._writing.add(uid)
        self._task(self._write(shell), "status")

    async def _write(self, shell: PodShell) -> None:
        uid = shell.uid
        try:
            status = shell.status()
            patch = difference(self._written.get(uid, status), status)  # nothing for a pod that has just gone
            if patch:
                await self._patch(shell.pod, patch)
                if uid in self._shells:
                    self._written[uid] = {**self._written[uid], **status}
        except ApiError as error:
            if error.code not in (404, 409):
                log.warning("status of %s not written: %s", shell.pod.key, error)
            if error.code == 429 or error.code >= 500:
                asyncio.get_running_loop().call_later(RETRY_SECONDS, self._mark, uid)
        except OSError:
            asyncio.get_running_loop().call_later(RETRY_SECONDS, self._mark, uid)
        finally:
            self._writing.discard(uid)
            self._slots.release()
            if uid in self._dirty:
                self._wake.set()

    async def _patch(self, pod: Object, status: Raw) -> None:
        # The uid makes it a conflict when another pod has come under this name meanwhile.
        patch = {"metadata": {"uid": pod.uid}, "status": status}
        await self.around.client.patch(POD, pod.namespace, pod.name, patch, type="strategic", subresource="status")

    def _task(self, work: Coroutine[Any, Any, None], name: str) -> None:
        task = asyncio.create_task(work, name=name)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    def _gone(self, shell: PodShell, vanished: bool) -> None:
        self._shells.pop(shell.uid, None)
        self._written.pop(shell.uid, None)
        self.around.tokens.forget([shell.uid])
        self._dirty.pop(shell.uid, None)
        if self._keys.get(shell.pod.key) == shell.uid:
            del self._keys[shell.pod.key]
        if not vanished:
            kept = bool(shell.pod.metadata.get("finalizers"))
            if kept:
                self._ended.add(shell.uid)
            self._task(self._delete(shell.pod, shell.status() if kept else None), "delete")

    async def _bury(self, pod: Object) -> None:
        """The end of a pod that had finished before this agent began."""
        await asyncio.to_thread(shutil.rmtree, self.around.pod_dir(pod.uid), True)
        await self._delete(pod, None)

    async def _delete(self, pod: Object, last: Raw | None) -> None:
        """The last act of a graceful deletion. last: what is to be told those who keep it: how it has ended."""
        while True:
            try:
                if last is not None:
                    await self._patch(pod, difference(pod.status, last))
                await self.around.client.delete(POD, pod.namespace, pod.name, grace_seconds=0, uid=pod.uid)
                return
            except ApiError as error:
                if error.code not in (404, 409):
                    log.warning("%s not deleted: %s", pod.key, error)
                return
            except OSError:
                await asyncio.sleep(RETRY_SECONDS)
