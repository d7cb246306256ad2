"""The node agent: links and nftables of every node, and the lives of their pods."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Sequence

from sealane.cluster.processes.loop import serve
from sealane.cluster.state import Folder, Options
from sealane.cluster.supervisor import Channel
from sealane.dataplane.linux import topology
from sealane.kube import kinds
from sealane.network.addresses import NodePlan


def run(folder: Folder, options: Options, plans: Sequence[NodePlan], show: Sequence[str], channel: Channel) -> None:
    """show: folders of the host that programs in pods see although pods have a /tmp and a /run of their own."""
    from sealane.dataplane.pods import spawner

    forked = spawner.start()  # before this process has threads
    serve(_work(folder, options, plans, show, forked, channel), beating=channel)


async def _work(
    folder: Folder,
    options: Options,
    plans: Sequence[NodePlan],
    show: Sequence[str],
    spawner: socket.socket,
    channel: Channel,
) -> None:
    from sealane.dataplane.balancer.health import HealthChecks
    from sealane.dataplane.balancer.routes import BalancerRoutes
    from sealane.dataplane.linux.handoff import Giver
    from sealane.dataplane.linux.threads import NamespaceThread
    from sealane.dataplane.nft.programmer import NftProgrammer
    from sealane.dataplane.pods.agent import AgentSocket
    from sealane.dataplane.pods.runtime import PodRuntime
    from sealane.dataplane.pods.spawning import Spawner
    from sealane.dataplane.pods.surroundings import Sources
    from sealane.kube.client.http import HttpClient
    from sealane.kube.objects import Key
    from sealane.network.model import Network
    from sealane.reactive.collections import Graph
    from sealane.reactive.informer import inform
    from sealane.reactive.recorder import Recorder

    for plan in plans:
        topology.create_node(folder.run, plan, plans)
        await asyncio.sleep(0)  # for signs of life
    threads = {plan.name: NamespaceThread(str(folder.netns(plan.name)), plan.name) for plan in plans}
    giver = Giver(str(folder.handoff_socket))
    await giver.start(complete=False)  # the runtime says when the sockets of before a crash are there again
    async with HttpClient.from_kubeconfig(folder.local_kubeconfig) as client:
        objects = inform(client, Graph())
        network = Network.of(objects)
        programmer = NftProgrammer(network, {plan.name: (plan, threads[plan.name]) for plan in plans})
        balancer = BalancerRoutes(
            network.services,
            {plan.name: plan for plan in plans},
            lambda: NamespaceThread(str(folder.netns(topology.OUTSIDE_NAMESPACE)), "outside"),
        )
        recorder = Recorder(client, "kube-proxy")

        def unserved(key: Key, why: str) -> None:
            service = objects[kinds.SERVICE].get(key)
            if service is not None:
                recorder.record(service, "Warning", "FailedToStartServiceHealthcheck", why)

        checks = HealthChecks(network.services, threads, programmer.healthy, unserved)
        runtime = PodRuntime(
            client,
            {plan.name: plan for plan in plans},
            threads,
            Sources.of(objects),
            giver,
            Spawner(spawner),
            run_dir=folder.run,
            log_dir=folder.logs / "pods",
            hide=(str(folder.path),),
            show=show,
            policing=programmer,
            strict_probes=options.strict_probes,
            allow_host=options.allow_host,
            path=os.environ.get("PATH", ""),
        )
        objects.start()
        await objects.synced()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(programmer.run())
            tasks.create_task(balancer.run())
            tasks.create_task(checks.run())
            tasks.create_task(runtime.run())
            tasks.create_task(AgentSocket(runtime, folder.agent_socket).run())
            await runtime.ready.wait()
            channel.ready()
