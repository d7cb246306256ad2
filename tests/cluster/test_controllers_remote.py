"""Every controller through a kubeconfig, as on a real cluster, while the API server is killed and comes back."""

from __future__ import annotations

import asyncio
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tests.unit.access.test_access import certificate
from tests.unit.apiserver.serving import credentials

from sealane.controllers import Controllers
from sealane.kube import kinds
from sealane.kube.client import kubeconfig
from sealane.kube.client.http import HttpClient
from sealane.kube.client.kubeconfig import Access
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw
from sealane.network.model import Network
from sealane.reactive.collections import Graph
from sealane.reactive.informer import inform

SERVER = """
import asyncio, socket, sys
from pathlib import Path
from sealane.apiserver.http.serving import serve
from sealane.cluster import pki
from sealane.apiserver.followers import roles
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store

async def main():
    made = pki.ensure(Path(sys.argv[2]))
    api = start_api(Store.open(sys.argv[1]))
    roles.furnish(api)
    sock = socket.socket(fileno=int(sys.argv[3]))
    await serve(api, [sock], pki.server_context(made), frozenset({made.token}))

asyncio.run(main())
"""
LABELS = {"app": "web"}
DEPLOYMENT: Raw = {
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {
        "replicas": 3,
        "selector": {"matchLabels": LABELS},
        "template": {"metadata": {"labels": LABELS}, "spec": {"containers": [{"name": "c", "image": "i:1"}]}},
    },
}
SERVICE: Raw = {
    "metadata": {"name": "web", "namespace": "shop"},
    "spec": {"selector": LABELS, "ports": [{"port": 80}]},
}


class Server:
    """An API server in a process of its own, at one address whatever happens to the process."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self._socket.getsockname()[1]}"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        number = self._socket.fileno()
        pki = credentials().server_key.parent
        argv = [sys.executable, "-c", SERVER, str(self._folder / "store.db"), str(pki), str(number)]
        self._process = subprocess.Popen(argv, pass_fds=[number])

    def kill(self) -> None:
        if self._process is not None:
            self._process.send_signal(signal.SIGKILL)
            self._process.wait()
            self._process = None

    def close(self) -> None:
        self.kill()
        self._socket.close()


@contextmanager
def server(folder: Path) -> Iterator[Server]:
    made = Server(folder)
    made.start()
    try:
        yield made
    finally:
        made.close()


async def pods(client: HttpClient) -> int:
    """How many of the Deployment there are and have a node."""
    try:
        found = (await client.list(kinds.POD, "shop", labels="app=web")).items
    except (OSError, ApiError):
        return -1
    return sum(1 for pod in found if pod.spec.get("nodeName") and not pod.deleting)


async def until(client: HttpClient, count: int) -> None:
    async with asyncio.timeout(60):
        while await pods(client) != count:
            await asyncio.sleep(0.05)


async def insisted(client: HttpClient, replicas: int) -> None:
    """Scales, however often that takes."""
    async with asyncio.timeout(60):
        while True:
            try:
                await client.patch(kinds.DEPLOYMENT, "shop", "web", {"spec": {"replicas": replicas}})
                return
            except OSError:
                await asyncio.sleep(0.1)


def test_controllers_go_on_through_restarts_of_the_api(tmp_path: Path) -> None:
    made = certificate("controllers", ["system:masters"])
    path = tmp_path / "kubeconfig"

    async def talk(api: Server) -> None:
        access = Access(api.url, ca=credentials().ca, client_certificate=made[0], client_key=made[1])
        kubeconfig.write(path, access, "real")
        async with HttpClient.from_kubeconfig(path) as client, HttpClient.from_kubeconfig(path) as user:
            sources = inform(client, Graph())
            controllers = Controllers(client, Network.of(sources))
            sources.start()
            await asyncio.wait_for(sources.synced(), 60)
            controllers.start()
            await user.create(kinds.NAMESPACE, {"metadata": {"name": "shop"}})
            for name in ("node-1", "node-2"):
                await user.create(kinds.NODE, {"metadata": {"name": name}})
            await user.create(kinds.SERVICE, SERVICE)
            await user.create(kinds.DEPLOYMENT, DEPLOYMENT)
            await until(user, 3)
            for replicas in (5, 2):
                api.kill()
                await asyncio.sleep(0.3)  # long enough to be missed
                api.start()
                await insisted(user, replicas)
                await until(user, replicas)
            slices = (await user.list(kinds.ENDPOINTSLICE, "shop")).items
            assert {each.metadata["labels"]["kubernetes.io/service-name"] for each in slices} == {"web"}
            await controllers.stop()
            await sources.stop()

    with server(tmp_path) as api:
        asyncio.run(talk(api))
