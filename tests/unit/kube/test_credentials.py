"""Credential plugins: real programs, run when needed and no more often."""

from __future__ import annotations

import asyncio
import json
import sys
import time
from pathlib import Path

import pytest
from aiohttp import web

from sealane.kube import kinds
from sealane.kube.client.credentials import CredentialError, Credentials, run
from sealane.kube.client.http import HttpClient
from sealane.kube.client.kubeconfig import Access, Plugin
from sealane.kube.times import timestamp

V1 = "client.authentication.k8s.io/v1"
SCRIPT = """
import json, os, sys
folder, lasts = sys.argv[1], sys.argv[2]
count = len(os.listdir(folder)) + 1
open(os.path.join(folder, str(count)), "w").write(os.environ["KUBERNETES_EXEC_INFO"])
status = {"token": f"token-{count}"}
if lasts:
    status["expirationTimestamp"] = lasts
print(json.dumps({"apiVersion": sys.argv[3], "kind": "ExecCredential", "status": status}))
"""


def plugin(folder: Path, lasts: str = "", version: str = V1) -> Plugin:
    (folder / "runs").mkdir(exist_ok=True)
    arguments = ("-c", SCRIPT, str(folder / "runs"), lasts, version)
    return Plugin(sys.executable, arguments, interactive="Never", cluster='{"server":"https://c"}')


def test_it_is_run_once_and_told_what_it_should_know(tmp_path: Path) -> None:
    async def talk() -> None:
        held = Credentials(plugin(tmp_path))
        found = await asyncio.gather(*(held.get() for _ in range(5)))
        assert {each.token for each in found} == {"token-1"}
        told = json.loads((tmp_path / "runs/1").read_text())
        assert told == {
            "kind": "ExecCredential",
            "apiVersion": V1,
            "spec": {"interactive": False, "cluster": {"server": "https://c"}},
        }
        held.forget(found[0])
        assert (await held.get()).token == "token-2"
        held.forget(found[0])  # refused long ago
        assert (await held.get()).token == "token-2"

    asyncio.run(talk())


def test_it_is_run_again_when_its_word_expires(tmp_path: Path) -> None:
    async def talk() -> None:
        held = Credentials(plugin(tmp_path, timestamp(time.time() + 3600)))
        assert [(await held.get()).token, (await held.get()).token] == ["token-1", "token-1"]
        held = Credentials(plugin(tmp_path, timestamp(time.time() + 5)))  # too near its end
        assert [(await held.get()).token, (await held.get()).token] == ["token-2", "token-3"]

    asyncio.run(talk())


@pytest.mark.parametrize(
    ("program", "why"),
    [
        (Plugin("no-such-plugin", hint="install it"), "executable no-such-plugin not found; install it"),
        (Plugin("false"), "executable false failed with exit code 1"),
        (Plugin("echo", ("hello",)), "echo wrote no ExecCredential"),
        (Plugin("echo", ('{"apiVersion":"x","status":{"token":"t"}}',)), "plugin returned version x"),
        (Plugin("echo", (f'{{"apiVersion":"{V1}","status":{{}}}}',)), "didn't return a token or cert/key pair"),
        (
            Plugin("echo", (f'{{"apiVersion":"{V1}","status":{{"clientKeyData":"k"}}}}',)),
            "returned only certificate or key",
        ),
        (Plugin("echo", interactive="Always"), "standard input is not a terminal"),
    ],
)
def test_what_goes_wrong_is_said(program: Plugin, why: str) -> None:
    with pytest.raises(CredentialError, match=why):
        asyncio.run(run(program))


def test_what_path_has_and_cannot_be_run_is_not_found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "helper").touch(mode=0o644)
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(CredentialError, match="executable helper not found"):
        asyncio.run(run(Plugin("helper")))


def test_a_refused_token_is_asked_for_anew_once(tmp_path: Path) -> None:
    seen: list[str] = []

    async def handler(request: web.BaseRequest) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        if seen[-1] != "Bearer token-2":
            return web.json_response({"kind": "Status", "code": 401, "message": "Unauthorized"}, status=401)
        return web.json_response({"metadata": {"name": "c", "namespace": "n"}})

    async def talk() -> None:
        runner = web.ServerRunner(web.Server(handler))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        server = f"http://127.0.0.1:{runner.addresses[0][1]}"
        async with HttpClient(Access(server, plugin=plugin(tmp_path))) as client:
            assert (await client.get(kinds.CONFIGMAP, "n", "c")).name == "c"
        assert seen == ["Bearer token-1", "Bearer token-2"]
        await runner.cleanup()

    asyncio.run(talk())


def test_a_server_that_asks_for_patience_gets_it() -> None:
    asked = 0

    async def handler(_request: web.BaseRequest) -> web.StreamResponse:
        nonlocal asked
        asked += 1
        if asked < 3:
            return web.json_response({"kind": "Status", "code": 429}, status=429, headers={"Retry-After": "0"})
        return web.json_response({"metadata": {"name": "c", "namespace": "n"}})

    async def talk() -> None:
        runner = web.ServerRunner(web.Server(handler))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        async with HttpClient(Access(f"http://127.0.0.1:{runner.addresses[0][1]}")) as client:
            assert (await client.get(kinds.CONFIGMAP, "n", "c")).name == "c"
        await runner.cleanup()

    asyncio.run(talk())
    assert asked == 3
