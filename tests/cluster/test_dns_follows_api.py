"""The DNS process against the real API over TLS: names follow what is written, within milliseconds."""

from __future__ import annotations

import asyncio
import socket
import time
from pathlib import Path

import dns.asyncquery
import dns.message

from sealane.apiserver.http import serving
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.cluster import pki
from sealane.dataplane.dns.process import ROLE, serve
from sealane.dataplane.linux.handoff import Giver
from sealane.kube import kinds
from sealane.kube.client.http import HttpClient
from sealane.kube.objects import Raw

CHANGES = 50
SECONDS = 0.010
"""From the answer of the API to the answer of DNS."""


def service(address: str) -> Raw:
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": "web", "namespace": "default"},
        "spec": {"clusterIP": address, "clusterIPs": [address], "ports": [{"port": 80}]},
    }


async def ask(address: tuple[str, int]) -> str:
    query = dns.message.make_query("web.default.svc.cluster.local", "A")
    response = await dns.asyncquery.udp(query, address[0], 5, address[1])
    return response.answer[0][0].to_text() if response.answer else ""


def test_an_answer_follows_the_api(tmp_path: Path) -> None:
    async def play() -> None:
        listener = socket.create_server(("127.0.0.1", 0))
        credentials = pki.ensure(tmp_path / "pki")
        kubeconfig = tmp_path / "kubeconfig"
        pki.write_kubeconfig(kubeconfig, f"https://127.0.0.1:{listener.getsockname()[1]}", credentials, "test")
        store = Store.open(tmp_path / "store.db")
        api = start_api(store)
        served = asyncio.create_task(
            serving.serve(api, [listener], pki.server_context(credentials), frozenset({credentials.token}))
        )
        writer = LocalClient(api)
        await writer.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        await writer.create(kinds.SERVICE, service("10.96.1.0"))

        handoff = str(tmp_path / "dns.sock")
        giver = Giver(handoff)
        await giver.start()
        udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        udp.bind(("127.0.0.1", 0))
        address = udp.getsockname()
        giver.add(ROLE, "pod", [udp])
        async with HttpClient.from_kubeconfig(kubeconfig) as client:
            process = asyncio.create_task(serve(client, handoff, "none"))
            assert await ask(address) == "10.96.1.0"
            delays = []
            for index in range(1, CHANGES + 1):
                await writer.delete(kinds.SERVICE, "default", "web")
                await writer.create(kinds.SERVICE, service(f"10.96.1.{index}"))
                written = time.perf_counter()
                while await ask(address) != f"10.96.1.{index}":
                    assert time.perf_counter() - written < 5, "the new address never came"
                delays.append(time.perf_counter() - written)
            assert sorted(delays)[len(delays) // 2] < SECONDS, delays
            process.cancel()
            await asyncio.gather(process, return_exceptions=True)
        giver.close()
        served.cancel()
        await asyncio.gather(served, return_exceptions=True)
        store.close()

    asyncio.run(play())
