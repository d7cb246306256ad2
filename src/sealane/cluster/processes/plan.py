"""What each process of a cluster is: one function a role, run in a forked child of the supervisor."""

from __future__ import annotations

import asyncio
import contextlib
import importlib
import os
import signal
import socket
from collections.abc import Callable, Coroutine, Sequence
from pathlib import Path
from typing import Any

from sealane.cluster import pki
from sealane.cluster.state import Folder, Options
from sealane.cluster.supervisor import Channel, Plan, Role
from sealane.dataplane.linux import namespaces, topology
from sealane.dataplane.linux.privileges import become_private
from sealane.kube import kinds
from sealane.network.addresses import API, API_PORT, NodePlan, plan_node

Work = Coroutine[Any, Any, None]

PRELOAD = ("asyncio", "msgspec", "yaml", "sealane.kube.client.http", "uvloop", "sealane.reactive.informer")
"""What most children import: once, before they are forked, so that they share the pages and start in milliseconds."""

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


def prepare(folder: Folder, options: Options, api: socket.socket) -> Plan:
    """Makes the private world, and says which processes live in it. Raises Unsupported for what this machine lacks.

    The control plane has most to import of its own, so it is forked first and imports while the supervisor prepares
    what the others share.
    """
    become_private(folder.run)
    folder.local_kubeconfig.unlink(missing_ok=True)  # the sign that the credentials are there
    making = _meanwhile(lambda: pki.ensure(folder.pki))
    plans = [plan_node(index) for index in range(1, options.nodes + 1)]
    topology.create_outside(folder.run, plans)
    inside = namespaces.inside(folder.netns(topology.OUTSIDE_NAMESPACE), _listen_inside)
    local = _listen_locally(folder)

    def share() -> None:
        for module in PRELOAD:
            importlib.import_module(module)
        os.waitpid(making, 0)
        credentials = pki.ensure(folder.pki)
        server = f"https://127.0.0.1:{api.getsockname()[1]}"
        pki.write_kubeconfig(folder.kubeconfig, server, credentials, folder.name)
        pki.write_kubeconfig(folder.local_kubeconfig, f"unix:{folder.api_socket}", credentials, folder.name)
        pki.write_kubeconfig(folder.outside_kubeconfig, f"https://{API[0]}:{API_PORT}", credentials, folder.name)

    def role(name: str, work: Callable[[Channel], Work]) -> Role:
        return Role(name, lambda channel: _serve(work(channel)))

    return Plan(
        first=role("control-plane", lambda channel: control_plane(folder, options, [api, inside, local], channel)),
        share=share,
        then=(
            Role("nodes", lambda channel: _nodes(folder, plans, channel)),
            role("dns", lambda channel: dns(folder, options, channel)),
            Role("stand-ins", lambda channel: _standins(folder, channel)),
            role("host-access", lambda channel: host_access(folder, plans, channel)),
            Role("envoy", lambda _channel: envoy(folder), on_demand=True),
        ),
    )


def _meanwhile(work: Callable[[], object]) -> int:
    """Does `work` in a forked process; its pid. What fails there fails again, visibly, when it is done here."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    return pid


def _listen_locally(folder: Folder) -> socket.socket:
    folder.api_socket.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(bytes(folder.api_socket))
    folder.api_socket.chmod(0o600)
    sock.listen(1024)
    return sock


def _listen_inside() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((str(API[0]), API_PORT))
    sock.listen(1024)
    return sock


def _nodes(folder: Folder, plans: Sequence[NodePlan], channel: Channel) -> None:
    from sealane.dataplane.pods import spawner

    forked = spawner.start()  # before this process has threads
    _serve(nodes(folder, plans, forked, channel))


def _standins(folder: Folder, channel: Channel) -> None:
    from sealane.dataplane.pods.standins import server

    server.main(str(folder.handoff_socket), channel.ready)


def _serve(work: Work) -> None:
    """Runs `work` on uvloop until it ends or SIGTERM comes, which cancels it."""
    import uvloop

    async def until_told() -> None:
        task = asyncio.ensure_future(work)
        asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
        with contextlib.suppress(asyncio.CancelledError):
            await task

    uvloop.run(until_told())


def _sockets_of(namespace: Path) -> Callable[[int, int, int], socket.socket]:
    """Makes sockets in the network namespace at `namespace`, which need not be there yet."""

    def open_socket(family: int, kind: int, protocol: int) -> socket.socket:
        return namespaces.inside(namespace, lambda: socket.socket(family, kind, protocol))

    return open_socket


async def control_plane(folder: Folder, options: Options, sockets: list[socket.socket], channel: Channel) -> None:
    """The API, every controller, and the xDS server for Envoy."""
    importlib.import_module("sealane.kube.client.http")  # aiohttp, in the way it says, before `apiserver` does
    from sealane import controllers
    from sealane.apiserver.access.keys import SigningKey
    from sealane.apiserver.access.tokens import AccountTokens
    from sealane.apiserver.followers import retention, roles
    from sealane.apiserver.followers.certificates import Authority
    from sealane.apiserver.http.serving import serve
    from sealane.apiserver.local import LocalClient
    from sealane.apiserver.pods.logs import agent_logs
    from sealane.apiserver.server import start_api
    from sealane.apiserver.storage.backends import StorageError, connect
    from sealane.apiserver.storage.store import Store
    from sealane.cluster.bootstrap import bootstrap
    from sealane.cluster.pod_streams import AgentStreams
    from sealane.controllers.gateways import gateways
    from sealane.dataplane.envoy import ads
    from sealane.reactive.collections import Graph
    from sealane.reactive.informer import inform

    try:
        store = Store.on(connect(options.store, folder.store, folder.name))
    except (StorageError, ValueError) as error:
        channel.failed(str(error))
        return
    try:
        while not folder.local_kubeconfig.exists():  # another process makes the credentials meanwhile
            await asyncio.sleep(0.002)
        credentials = pki.ensure(folder.pki)
        api = start_api(
            store,
            agent_logs(folder.agent_socket),
            root_ca=credentials.ca,
            streams=AgentStreams(folder.agent_socket),
            accounts=AccountTokens(store, SigningKey(credentials.account_key)),
            authority=Authority(credentials.ca, credentials.ca_key),
            open_socket=_sockets_of(folder.netns("node-1")),
        )
        client = LocalClient(api)
        roles.furnish(api)
        await bootstrap(client, options.nodes, dns_replicas=min(2, options.nodes))
        serving = asyncio.create_task(
            serve(api, sockets, pki.server_context(credentials), frozenset({credentials.token}))
        )
        sources = inform(client, Graph(), [*controllers.KINDS, *gateways.KINDS])
        sources.start()
        await sources.synced()
        controllers.start(client, sources)
        routing = gateways.start(client, sources)
        envoy_served = asyncio.create_task(
            ads.serve(
                routing.routing,
                str(folder.xds_socket),
                lambda uid: str(folder.netns(topology.pod_namespace(uid))),
                on_needed=lambda: channel.need("envoy"),
                listening=routing.listening,
            )
        )
        channel.ready()
        await asyncio.gather(serving, envoy_served, retention.run(store, client))
    finally:
        store.close()


async def nodes(folder: Folder, plans: Sequence[NodePlan], spawner: socket.socket, channel: Channel) -> None:
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


async def dns(folder: Folder, options: Options, channel: Channel) -> None:
    """The cluster DNS server."""
    from sealane.dataplane.dns import process
    from sealane.dataplane.dns.upstream import parse_upstream
    from sealane.kube.client.http import HttpClient

    try:
        parse_upstream(options.dns_upstream)
    except ValueError as error:
        channel.failed(f"--dns-upstream: {error}")
        return
    channel.ready()
    async with HttpClient.from_kubeconfig(folder.local_kubeconfig) as client:
        await process.serve(client, str(folder.handoff_socket), options.dns_upstream, folder.run, _untrack)


def _untrack(addresses: Sequence[str]) -> None:
    from sealane.dataplane.nft.libnftables import NftError  # Only who runs a node-local cache needs it.
    from sealane.dataplane.nft.untracked import untrack

    try:
        untrack(addresses)
    except NftError as error:
        raise OSError(str(error)) from error


async def host_access(folder: Folder, plans: Sequence[NodePlan], channel: Channel) -> None:
    """Mirrors of load-balancer and NodePort addresses on loopback, a SOCKS proxy, load balancers that are proxies."""
    from sealane.cluster import socks
    from sealane.cluster.host_access import Mirrors, bind, is_proxied, loopback, wanted
    from sealane.cluster.state import replace
    from sealane.dataplane.linux.threads import NamespaceThread
    from sealane.kube.client.http import HttpClient
    from sealane.reactive.collections import Graph
    from sealane.reactive.informer import inform

    async with HttpClient.from_kubeconfig(folder.local_kubeconfig) as client:
        graph = Graph()
        sources = inform(client, graph, [kinds.SERVICE])
        changed = asyncio.Event()
        changed.set()
        sources[kinds.SERVICE].subscribe(lambda _changes: changed.set())
        sources.start()
        outside = NamespaceThread(str(folder.netns(topology.OUTSIDE_NAMESPACE)), "outside")
        mirrors = Mirrors(folder.name, outside, folder.mirrors)
        balancing: LoadBalancing | None = None
        proxy = socks.Proxy(NamespaceThread(str(folder.netns(plans[0].name)), plans[0].name))
        listening = bind(loopback(folder.name, socks.ADDRESS), socks.PORT)
        host, port = listening.getsockname()
        served = await proxy.serve(listening)
        replace(folder.proxy, f"{host}:{port}")
        channel.ready()
        nodes = [str(plan.addresses[0]) for plan in plans]
        async with served:
            while True:
                await changed.wait()
                changed.clear()
                services = sources[kinds.SERVICE].values()
                await mirrors.update(wanted(services, nodes))
                if balancing is None and any(map(is_proxied, services)):
                    from sealane.cluster.load_balancing import LoadBalancing  # the first of this kind

                    balancing = LoadBalancing(client, graph, sources[kinds.SERVICE], outside, plans, folder, changed)
                if balancing is not None:
                    await balancing.update()


def envoy(folder: Folder) -> None:
    """Becomes Envoy. Does not return."""
    from sealane.dataplane.envoy import bootstrap

    argv = bootstrap.command(str(folder.xds_socket))
    os.execvp(argv[0], argv)
