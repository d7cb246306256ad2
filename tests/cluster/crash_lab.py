"""A server that is killed while clients write over HTTPS, again and again: what it acknowledged is there afterwards.

As a program: `python tests/cluster/crash_lab.py [WRITES]`, with SQLite, and with etcd where there is one.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(ROOT / "tests/cluster")]

from etcd_process import ETCD, Etcd  # noqa: E402
from tests.unit.apiserver.serving import credentials  # noqa: E402

from sealane.apiserver.storage.backends.connecting import connect  # noqa: E402
from sealane.apiserver.storage.store import Store  # noqa: E402
from sealane.kube import kinds  # noqa: E402
from sealane.kube.client.http import HttpClient  # noqa: E402
from sealane.kube.client.kubeconfig import Access  # noqa: E402
from sealane.kube.client.protocol import ApiError  # noqa: E402

SERVER = """
import asyncio, socket, sys
from pathlib import Path
from sealane.apiserver.http.serving import serve
from sealane.cluster import pki
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.backends.connecting import connect
from sealane.apiserver.storage.store import Store

async def main():
    made = pki.ensure(Path(sys.argv[3]))
    sock = socket.socket(fileno=int(sys.argv[4]))
    store = Store.on(connect(sys.argv[1], sys.argv[2], "crash"))
    await serve(start_api(store), [sock], pki.server_context(made), frozenset({made.token}))

asyncio.run(main())
"""
WRITERS = 16
NAMES = 7  # of each writer: few, so that most writes change or delete what an earlier one left

Expected = dict[str, str | None]
"""What each object must be: the resourceVersion of its last acknowledged state, None when that is its absence."""


async def _write(client: HttpClient, expected: Expected, after: int, strike: Callable[[], None], fatal: bool) -> int:
    """Creates, changes and deletes; strikes after so many answers, and goes on as far as it gets. Returns their count.

    An object with a request on its way when the connection broke is left out of `expected`: either outcome is right.
    fatal: what is struck does not come back.
    """
    answers = 0

    async def writer(number: int) -> None:
        nonlocal answers
        for turn in range(10_000):
            name = f"w{number}-{turn % NAMES}"
            unknown = name not in expected
            before = expected.pop(name, None)
            try:
                if unknown:
                    before = await _version(client, name)
                if before is None:
                    raw = {"metadata": {"name": name, "namespace": "default"}, "data": {"turn": str(turn)}}
                    expected[name] = (await client.create(kinds.CONFIGMAP, raw)).resource_version
                elif turn % 3:
                    patch = {"data": {"turn": f"{random.random()}"}}
                    found = await client.patch(kinds.CONFIGMAP, "default", name, patch)
                    expected[name] = found.resource_version
                else:
                    await client.delete(kinds.CONFIGMAP, "default", name)
                    expected[name] = None
            except OSError:
                expected.pop(name, None)
                return
            answers += 1
            if answers == after:
                strike()
            if not fatal and answers >= 2 * after:
                return

    await asyncio.gather(*map(writer, range(WRITERS)))
    return answers


async def _version(client: HttpClient, name: str) -> str | None:
    try:
        return (await client.get(kinds.CONFIGMAP, "default", name)).resource_version
    except ApiError as error:
        if error.code != 404:
            raise
        return None


def strike_once(url: str, path: Path, expected: Expected, after: int, etcd: Etcd | None = None) -> int:
    """One life of a server: it is killed after so many answers, or the etcd under it, which comes back.

    Changes `expected` to what must be there now, and checks that it is. Returns how many writes were answered.
    """
    made = credentials()

    async def run(port: int, server: subprocess.Popen[bytes]) -> int:
        access = Access(server=f"https://127.0.0.1:{port}", ca=made.ca, token=made.token)
        loop = asyncio.get_running_loop()

        def strike() -> None:
            if etcd is None:
                server.kill()
            else:
                etcd.kill()
                loop.run_in_executor(None, etcd.start)

        async with HttpClient(access) as client:
            try:
                await client.create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
            except ApiError as error:
                if error.code != 409:
                    raise
            return await asyncio.wait_for(_write(client, expected, after, strike, etcd is None), 100)

    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        sock.listen(128)
        environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
        folder = str(made.server_certificate.parent)
        command = [sys.executable, "-c", SERVER, url, str(path), folder, str(sock.fileno())]
        with subprocess.Popen(command, pass_fds=[sock.fileno()], env=environment) as server:
            port = sock.getsockname()[1]
            sock.close()  # so that nothing listens once the server is dead
            try:
                answers = asyncio.run(run(port, server))
            finally:
                server.kill()
    store = Store.on(connect(url, path, "crash"))
    found = {each.object.name: each.object.resource_version for each in store.items(("", "configmaps"))}
    store.close()
    lost = {name: (version, found.get(name)) for name, version in expected.items() if found.get(name) != version}
    assert not lost, f"acknowledged and found: {lost}"
    assert store.version >= max((int(version) for version in expected.values() if version), default=0)
    return answers


def crash(writes: int, url: str, path: Path, etcd: Etcd | None = None) -> int:
    """Strikes at random moments until so many writes were acknowledged; how often that was."""
    expected: Expected = {}
    done = struck = 0
    while done < writes:
        victim = etcd if struck % 2 else None
        done += strike_once(url, path, expected, random.randint(20, 800), victim)
        struck += 1
    return struck


def main() -> None:
    writes = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    with tempfile.TemporaryDirectory(prefix="sealane-crash-") as folder:
        struck = crash(writes, "", Path(folder) / "store.db")
        print(f"SQLite: {writes:,} writes, killed {struck} times, nothing acknowledged was lost", flush=True)
        if ETCD is None:
            print("etcd: not here (Debian: apt-get install etcd-server)")
            return
        with Etcd(Path(folder) / "etcd") as etcd:
            struck = crash(writes, etcd.url, Path(folder), etcd)
        print(f"etcd: {writes:,} writes, server or etcd killed {struck} times, nothing acknowledged was lost")


if __name__ == "__main__":
    main()
