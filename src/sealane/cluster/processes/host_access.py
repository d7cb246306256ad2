"""The process of host access: mirrors on loopback, a SOCKS proxy, load balancers that are proxies."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sealane.cluster.state import Folder, Options
from sealane.cluster.supervisor import Channel
from sealane.dataplane.linux import topology
from sealane.kube import kinds
from sealane.network.addresses import NodePlan


async def run(folder: Folder, options: Options, plans: Sequence[NodePlan], channel: Channel) -> None:
    """Mirrors of load-balancer and NodePort addresses on loopback, a SOCKS proxy, load balancers that are proxies.

    What was mirrored before this process was killed is mirrored again first, before the API has answered. Its sockets
    were kept meanwhile: who connects waits.
    """
    from sealane.cluster.host_access import Mirrors, bind, is_proxied, loopback, wanted
    from sealane.dataplane.linux.threads import NamespaceThread

    outside = NamespaceThread(str(folder.netns(topology.OUTSIDE_NAMESPACE)), "outside")
    mirrors = Mirrors(folder.name, outside, folder.mirrors, channel, private=options.private)
    await mirrors.restore()

    from sealane.cluster import socks
    from sealane.cluster.state import replace
    from sealane.kube.client.http import HttpClient
    from sealane.reactive.collections import Graph
    from sealane.reactive.informer import inform

    async with HttpClient.from_kubeconfig(folder.local_kubeconfig) as client:
        graph = Graph()
        sources = inform(client, graph)
        changed = asyncio.Event()
        changed.set()
        sources[kinds.SERVICE].subscribe(lambda _changes: changed.set())
        sources.start()
        balancing: LoadBalancing | None = None
        password = socks.kept_password(folder.proxy) if options.private else ""
        proxy = socks.Proxy(NamespaceThread(str(folder.netns(plans[0].name)), plans[0].name), password)
        listening = channel.listening("proxy", lambda: bind(loopback(folder.name, socks.ADDRESS), socks.PORT))
        host, port = listening.getsockname()
        served = await proxy.serve(listening)
        replace(folder.proxy, f"{socks.USER}:{password}@{host}:{port}" if password else f"{host}:{port}")
        channel.ready()
        nodes = [str(plan.addresses[0]) for plan in plans]
        async with served:
            await sources.synced()
            while True:
                await changed.wait()
                changed.clear()
                services = sources[kinds.SERVICE].values()
                await mirrors.update(wanted(services, nodes))
                channel.close_rest()
                if balancing is None and any(map(is_proxied, services)):
                    from sealane.cluster.load_balancing import LoadBalancing  # the first of this kind

                    balancing = LoadBalancing(client, graph, sources[kinds.SERVICE], outside, plans, folder, changed)
                if balancing is not None:
                    await balancing.update()
