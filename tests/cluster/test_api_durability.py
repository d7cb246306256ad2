"""A server that is killed while clients write over HTTPS: what it acknowledged is there when it comes back."""

from __future__ import annotations

import asyncio
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from tests.unit.apiserver.serving import credentials

from sealane.apiserver.store import Store
from sealane.kube import kinds
from sealane.kube.client import ApiError
from sealane.kube.http import HttpClient
from sealane.kube.kubeconfig import Access

SERVER = """
import asyncio, socket, sys
from pathlib import Path
from sealane.apiserver import http, pki
from sealane.apiserver.api import Api
from sealane.apiserver.store import Store

async def main():
    made = pki.ensure(Path(sys.argv[2]))
    sock = socket.socket(fileno=int(sys.argv[3]))
    await http.serve(Api(Store.open(sys.argv[1])), [sock], pki.server_context(made), frozenset({made.token}))

asyncio.run(main())
"""
WRITERS = 16


async def write_until_killed(client: HttpClient, server: subprocess.Popen[bytes], after: int) -> dict[str, str | None]:
    """Creates, changes and deletes until the server is killed, after so many answers.

    Returns what each object must be: the resourceVersion of its last acknowledged state, None when that is its absence.
    An object with a request on its way when the server died is left out: either outcome is right.
    """
    acknowledged: dict[str, str | None] = {}
    answers = 0

    async def writer(number: int) -> None:
        nonlocal answers
        for turn in range(10_000):
            name = f"w{number}-{turn % 7}"
            before = acknowledged.pop(name, None)
            try:
                if before is None:
                    raw = {"metadata": {"name": name, "namespace": "default"}, "data": {"turn": str(turn)}}
                    acknowledged[name] = (await client.create(kinds.CONFIGMAP, raw)).resource_version
                elif turn % 3:
                    patch = {"data": {"turn": str(turn)}}
                    found = await client.patch(kinds.CONFIGMAP, "default", name, patch)
                    acknowledged[name] = found.resource_version
                else:
                    await client.delete(kinds.CONFIGMAP, "default", name)
                    acknowledged[name] = None
            except OSError:
                acknowledged.pop(name, None)
                return
            answers += 1
            if answers == after:
                server.kill()

    await asyncio.gather(*map(writer, range(WRITERS)))
    return acknowledged


@pytest.mark.parametrize("after", [50, 400, 1200])
def test_every_acknowledged_write_survives_a_kill(tmp_path: Path, after: int) -> None:
    made = credentials()
    path = tmp_path / "store.db"

    async def run(port: int, server: subprocess.Popen[bytes]) -> dict[str, str | None]:
        access = Access(server=f"https://127.0.0.1:{port}", ca=made.ca, token=made.token)
        async with HttpClient(access) as client:
            await client.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
            with pytest.raises(ApiError):
                await client.get(kinds.CONFIGMAP, "default", "none")
            return await asyncio.wait_for(write_until_killed(client, server, after), 60)

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(128)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
        folder = made.server_certificate.parent
        command = [sys.executable, "-c", SERVER, str(path), str(folder), str(sock.fileno())]
        with subprocess.Popen(command, pass_fds=[sock.fileno()], env=environment) as server:
            port = sock.getsockname()[1]
            sock.close()  # so that nothing listens once the server is dead
            try:
                acknowledged = asyncio.run(run(port, server))
            finally:
                server.kill()
    assert len(acknowledged) >= WRITERS
    store = Store.open(path)
    found = {each.object.name: each.object.resource_version for each in store.items(("", "configmaps"))}
    store.close()
    assert {name: found.get(name) for name in acknowledged} == acknowledged
