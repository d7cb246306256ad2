"""The node agent: links and nftables of every node, and the lives of their pods."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Sequence

from sealane.cluster.processes.loop import serve
from sealane.cluster.state import Folder
from sealane.cluster.supervisor import Channel
from sealane.dataplane.linux import topology
from sealane.kube import kinds
from sealane.network.addresses import NodePlan

AGENT_KINDS = (
    kinds.SERVICE,
    kinds.ENDPOINTSLICE,
    kinds.POD,
    kinds.NAMESPACE,
    kinds.NETWORKPOLICY,
    kinds.NODE,
    kinds.CONFIGMAP,
    kinds.SECRET,
)
"""What the node agent follows."""


def run(folder: Folder, plans: Sequence[NodePlan], channel: Channel) -> None:
    from sealane.dataplane.pods import spawner

    forked = spawner.start()  # before this process has threads
    serve(_work(folder, plans, forked, channel))


async def _work(folder: Folder, plans: Sequence[NodePlan], spawner: socket.socket, channel: Channel) -> None:
    """The node agent: links and nftables of every node, and the lives of their pods."""
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
    from sealane.reactive.collections import Graph
    from sealane.reactive.informer import inform
    from sealane.reactive.recorder import Recorder

    for plan in plans:
        topology.create_node(folder.run, plan, plans)
    threads = {plan.name: NamespaceThread(str(folder.netns(plan.name)), plan.name) for plan in plans}
    giver = Giver(str(folder.handoff_socket))
    await giver.start(complete=False)  # the runtime says when the sockets of before a crash are there again
    async with HttpClient.from_kubeconfig(folder.local_kubeconfig) as client:
        sources = inform(client, Graph(), AGENT_KINDS)
        programmer = NftProgrammer.of_objects(
            sources[kinds.SERVICE],
            sources[kinds.ENDPOINTSLICE],
            sources[kinds.POD],
            sources[kinds.NAMESPACE],
            sources[kinds.NETWORKPOLICY],
            {plan.name: (plan, threads[plan.name]) for plan in plans},
            node_objects=sources[kinds.NODE],
            configmaps=sources[kinds.CONFIGMAP],
        )
        balancer = BalancerRoutes(
            programmer.models,
            {plan.name: plan for plan in plans},
            lambda: NamespaceThread(str(folder.netns(topology.OUTSIDE_NAMESPACE)), "outside"),
        )
        recorder = Recorder(client, "kube-proxy")

        def unserved(key: Key, why: str) -> None:
            service = sources[kinds.SERVICE].get(key)
            if service is not None:
                recorder.record(service, "Warning", "FailedToStartServiceHealthcheck", why)

        checks = HealthChecks(programmer.models, threads, programmer.healthy, unserved)
        runtime = PodRuntime(
            client,
            {plan.name: plan for plan in plans},
            threads,
            Sources(sources[kinds.POD], sources[kinds.SERVICE], sources[kinds.CONFIGMAP], sources[kinds.SECRET]),
            giver,
            Spawner(spawner),
            run_dir=folder.run,
            log_dir=folder.logs / "pods",
            hide=(str(folder.path),),
            policing=programmer,
        )
        sources.start()
        await sources.synced()
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(programmer.run())
            tasks.create_task(balancer.run())
            tasks.create_task(checks.run())
            tasks.create_task(runtime.run())
            tasks.create_task(AgentSocket(runtime, folder.agent_socket).run())
            await runtime.ready.wait()
            channel.ready()
