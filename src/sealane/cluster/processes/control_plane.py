"""The control plane: the API, every controller, and the xDS server for Envoy."""

from __future__ import annotations

import asyncio
import importlib
import socket
from collections import deque
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sealane.cluster import pki
from sealane.cluster.state import Folder, Options
from sealane.cluster.supervisor import Channel
from sealane.dataplane.linux import namespaces, topology
from sealane.dataplane.linux.peers import is_neighbour
from sealane.kube import kinds

if TYPE_CHECKING:
    from sealane.apiserver.admission.webhooks.configuration import Hook
    from sealane.apiserver.storage.store import Store
    from sealane.apiserver.storage.values import Event
    from sealane.network.model import Network


def _sockets_of(namespace: Path) -> Callable[[int, int, int], socket.socket]:
    """Makes sockets in the network namespace at `namespace`, which need not be there yet."""

    def open_socket(family: int, kind: int, protocol: int) -> socket.socket:
        return namespaces.inside(namespace, lambda: socket.socket(family, kind, protocol))

    return open_socket


def _follow_channels(store: Store, network: Network) -> None:
    """Keeps the channels of the Gateway API's definitions, of which nothing else is wanted: they are large."""
    from sealane.network.routes.gateway_api.status import HTTP_ROUTES

    definitions = (kinds.CRD.group, kinds.CRD.plural)

    def read() -> None:
        found = store.get(definitions, "", HTTP_ROUTES)
        if found is None:
            network.channels.remove(HTTP_ROUTES)
        else:
            channel = found.object.annotations.get("gateway.networking.k8s.io/channel", "")
            network.channels.set(HTTP_ROUTES, channel)

    def committed(events: Sequence[Event]) -> None:
        if any(event.address.resource == definitions and event.address.name == HTTP_ROUTES for event in events):
            read()

    store.subscribe(committed)
    read()


async def run(folder: Folder, options: Options, sockets: list[socket.socket], channel: Channel) -> None:
    """The API, every controller, and the xDS server for Envoy."""
    importlib.import_module("sealane.kube.client.http")  # aiohttp, in the way it says, before `apiserver` does
    from sealane.apiserver.access.keys import SigningKey
    from sealane.apiserver.access.tokens import AccountTokens
    from sealane.apiserver.followers import retention
    from sealane.apiserver.followers.certificates import Authority
    from sealane.apiserver.followers.registrations import Registrations
    from sealane.apiserver.http.serving import serve
    from sealane.apiserver.local import LocalClient
    from sealane.apiserver.pods.logs import agent_logs
    from sealane.apiserver.server import furnish, start_api
    from sealane.apiserver.storage.backends import StorageError
    from sealane.apiserver.storage.backends.connecting import connect
    from sealane.apiserver.storage.store import Store
    from sealane.cluster.bootstrap import bootstrap
    from sealane.cluster.pod_streams import AgentStreams
    from sealane.controllers import Controllers
    from sealane.controllers.gateways.gateways import Gateways
    from sealane.controllers.programs import wiring as programs
    from sealane.dataplane.envoy import ads
    from sealane.dataplane.nft.datagrams import Datagrams
    from sealane.kube import crds
    from sealane.network.model import Network
    from sealane.reactive.collections import Graph
    from sealane.reactive.informer import inform
    from sealane.reactive.recorder import Recorder

    try:
        store = Store.on(connect(options.store, folder.store, folder.name))
    except (StorageError, ValueError) as error:
        channel.failed(str(error))
        return
    try:
        deque(crds.objects(), 0)  # made once: here, where there is time
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
        recorder = Recorder(client, "kube-apiserver")

        def passed_over(hook: Hook, why: str) -> None:
            kind = kinds.MUTATINGWEBHOOKS if hook.mutating else kinds.VALIDATINGWEBHOOKS
            configuration = store.get((kind.group, kind.plural), "", hook.configuration)
            if configuration is not None:
                recorder.record(configuration.object, "Warning", "PassedOver", why)

        api.webhooks.on_passed_over = passed_over
        furnish(api)
        Registrations(api)
        await bootstrap(client, options.nodes, dns_replicas=min(2, options.nodes))
        serving = asyncio.create_task(
            serve(api, sockets, pki.server_context(credentials), frozenset({credentials.token}), hears=is_neighbour)
        )
        objects = inform(client, Graph())
        network = Network.of(objects)
        _follow_channels(store, network)
        controllers, gateways = Controllers(client, network), Gateways(client, network)
        objects.start()
        await objects.synced()
        controllers.start()
        gateways.start()
        issuing = programs.Authority(credentials.ca, lambda names: pki.issue(credentials, names[0], names, ()))
        programs.Programs(client, objects[kinds.POD], issuing).start()
        envoy_served = asyncio.create_task(
            ads.serve(
                gateways.routing,
                str(folder.xds_socket),
                lambda uid: str(folder.netns(topology.pod_namespace(uid))),
                on_needed=lambda: channel.need("envoy"),
                listening=gateways.listening,
            )
        )
        datagrams = Datagrams(
            gateways.routing, lambda uid: str(folder.netns(topology.pod_namespace(uid))), gateways.forwarding
        )
        channel.ready()
        await asyncio.gather(serving, envoy_served, datagrams.run(), retention.run(store, client))
    finally:
        store.close()
