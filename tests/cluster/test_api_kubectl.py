"""The embedded API as kubectl sees it: the real kubectl against a real server, over TLS on loopback."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import socket
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from sealane.apiserver import http, pki
from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.store import Store
from sealane.cluster.bootstrap import bootstrap

MANIFEST = """
apiVersion: v1
kind: Namespace
metadata: {name: shop}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: shop, labels: {app: web}}
spec:
  replicas: 2
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      containers: [{name: web, image: nginx, ports: [{containerPort: 80}]}]
---
apiVersion: v1
kind: Service
metadata: {name: web, namespace: shop}
spec:
  type: NodePort
  selector: {app: web}
  ports: [{name: http, port: 80, nodePort: 30080}]
---
apiVersion: v1
kind: Pod
metadata: {name: debug, namespace: shop}
spec:
  containers: [{name: shell, image: busybox}]
"""


class Server:
    """An API server in a thread, and kubectl for it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.credentials = pki.ensure(folder / "pki")
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.url = f"https://127.0.0.1:{self.socket.getsockname()[1]}"
        pki.write_kubeconfig(folder / "kubeconfig", self.url, self.credentials, "test")
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run)
        self._thread.start()
        assert self._ready.wait(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._task = self._loop.create_task(self._serve())
        try:
            self._loop.run_until_complete(self._task)
        except asyncio.CancelledError:
            pass
        finally:
            self._loop.close()

    async def _serve(self) -> None:
        store = Store.open(self.folder / "store.db")
        try:
            api = Api(store, root_ca=self.credentials.ca)
            await bootstrap(LocalClient(api))
            self._ready.set()
            context = pki.server_context(self.credentials)
            await http.serve(api, [self.socket], context, frozenset({self.credentials.token}))
        finally:
            store.close()

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._task.cancel)
        self._thread.join(10)

    def kubectl(self, *arguments: str, given: str = "", ok: bool = True) -> str:
        beside = Path(sys.executable).with_name("kubectl")
        command = str(beside) if beside.exists() else shutil.which("kubectl") or "kubectl"
        environment = {**os.environ, "KUBECONFIG": str(self.folder / "kubeconfig"), "HOME": str(self.folder)}
        done = subprocess.run(
            [command, *arguments], input=given, capture_output=True, text=True, timeout=30, env=environment
        )
        assert (done.returncode == 0) is ok, f"{arguments}: {done.stdout}{done.stderr}"
        return done.stdout if ok else done.stderr

    def json(self, *arguments: str) -> Any:
        return json.loads(self.kubectl(*arguments, "-o", "json"))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("api"))
    yield made
    made.stop()


@pytest.fixture
def shop(server: Server) -> Iterator[Server]:
    server.kubectl("apply", "-f", "-", given=MANIFEST)
    yield server
    server.kubectl("delete", "namespace", "shop", "--ignore-not-found")


def columns(line: str) -> list[str]:
    return [part.strip() for part in line.split("  ") if part.strip()]


def test_apply_says_what_it_did(shop: Server) -> None:
    again = shop.kubectl("apply", "-f", "-", given=MANIFEST)
    assert again.count("unchanged") == 4
    changed = shop.kubectl("apply", "-f", "-", given=MANIFEST.replace("replicas: 2", "replicas: 3"))
    assert "deployment.apps/web configured" in changed
    assert shop.json("get", "deploy", "web", "-n", "shop")["spec"]["replicas"] == 3


def test_server_side_apply_again_changes_nothing(shop: Server) -> None:
    before = shop.json("get", "svc", "web", "-n", "shop")["metadata"]["resourceVersion"]
    shop.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=MANIFEST)
    first = shop.json("get", "svc", "web", "-n", "shop")["metadata"]["resourceVersion"]
    shop.kubectl("apply", "--server-side", "--force-conflicts", "-f", "-", given=MANIFEST)
    assert shop.json("get", "svc", "web", "-n", "shop")["metadata"]["resourceVersion"] == first >= before


def test_get_shows_kubectls_columns(shop: Server) -> None:
    header, line = shop.kubectl("get", "svc", "-n", "shop", "-o", "wide").splitlines()
    assert columns(header) == ["NAME", "TYPE", "CLUSTER-IP", "EXTERNAL-IP", "PORT(S)", "AGE", "SELECTOR"]
    assert columns(line)[1] == "NodePort"
    assert "80:30080/TCP" in line
    header, line = shop.kubectl("get", "pods", "-n", "shop").splitlines()
    assert columns(header) == ["NAME", "READY", "STATUS", "RESTARTS", "AGE"]
    assert columns(line)[:3] == ["debug", "0/1", "Pending"]
    header, line = shop.kubectl("get", "deploy", "-n", "shop", "-o", "wide").splitlines()
    assert columns(line)[:4] == ["web", "0/2", "0", "0"]
    assert columns(line)[-2:] == ["nginx", "app=web"]


def test_watching_shows_changes_in_columns(shop: Server) -> None:
    def change() -> None:
        time.sleep(0.7)
        shop.kubectl("scale", "deploy", "web", "-n", "shop", "--replicas=7")
        shop.kubectl("delete", "deploy", "web", "-n", "shop")

    changing = threading.Thread(target=change)
    changing.start()
    shop.kubectl("wait", "--for=delete", "deploy/web", "-n", "shop", "--timeout=10s")
    changing.join()
    shop.kubectl("apply", "-f", "-", given=MANIFEST)
    shown = shop.kubectl("get", "deploy", "-n", "shop", "-w", "--request-timeout=1s", ok=True)
    assert columns(shown.splitlines()[1])[:2] == ["web", "0/2"]


def test_everyday_changes(shop: Server) -> None:
    shop.kubectl("scale", "deploy/web", "-n", "shop", "--replicas=5")
    shop.kubectl("label", "pod", "debug", "-n", "shop", "tier=tools")
    shop.kubectl("annotate", "pod", "debug", "-n", "shop", "note=x")
    shop.kubectl("set", "image", "deploy/web", "-n", "shop", "web=httpd")
    shop.kubectl("patch", "svc", "web", "-n", "shop", "--type=json", "-p", '[{"op":"remove","path":"/spec/selector"}]')
    shop.kubectl("rollout", "restart", "deploy/web", "-n", "shop")
    deployment = shop.json("get", "deploy", "web", "-n", "shop")
    assert deployment["spec"]["replicas"] == 5
    assert deployment["spec"]["template"]["spec"]["containers"][0]["image"] == "httpd"
    pod = shop.json("get", "pod", "debug", "-n", "shop")
    assert pod["metadata"]["labels"] == {"tier": "tools"}
    assert "selector" not in shop.json("get", "svc", "web", "-n", "shop")["spec"]


def test_generators_send_protobuf(shop: Server) -> None:
    shop.kubectl("create", "deployment", "made", "-n", "shop", "--image=nginx", "--replicas=0", "--port=80")
    shop.kubectl("expose", "deployment", "made", "-n", "shop", "--port=80")
    shop.kubectl("create", "secret", "generic", "key", "-n", "shop", "--from-literal=a=b")
    assert shop.json("get", "deploy", "made", "-n", "shop")["spec"]["replicas"] == 0
    assert shop.json("get", "secret", "key", "-n", "shop")["data"] == {"a": "Yg=="}
    assert shop.json("get", "svc", "made", "-n", "shop")["spec"]["selector"] == {"app": "made"}


def test_describe_and_explain(shop: Server) -> None:
    described = shop.kubectl("describe", "svc", "web", "-n", "shop")
    assert "NodePort:                 http  30080/TCP" in described
    assert "Type:                     NodePort" in described
    explained = shop.kubectl("explain", "service.spec.ports")
    assert "nodePort" in explained
    assert "<integer>" in explained


def test_mistakes_are_named(shop: Server) -> None:
    wrong = MANIFEST.replace("image: nginx,", "image: nginx, stdn: true,")
    said = shop.kubectl("apply", "-f", "-", given=wrong, ok=False)
    assert 'unknown field "spec.template.spec.containers[0].stdn"' in said
    taken = "apiVersion: v1\nkind: Service\nmetadata: {name: other, namespace: shop}\nspec:\n  type: NodePort\n"
    taken += "  ports: [{port: 1, nodePort: 30080}]\n"
    said = shop.kubectl("create", "-f", "-", given=taken, ok=False)
    assert "spec.ports[0].nodePort: Invalid value: 30080: provided port is already allocated" in said
    said = shop.kubectl("create", "-n", "nowhere", "configmap", "x", ok=False)
    assert 'namespaces "nowhere" not found' in said


def test_deleting_a_manifest_finds_all_of_it(shop: Server) -> None:
    said = shop.kubectl("delete", "-f", "-", given=MANIFEST)
    assert said.count("deleted") == 4
    assert "shop" not in shop.kubectl("get", "namespaces")


def test_nobody_gets_in_without_the_token(server: Server) -> None:
    context = ssl.create_default_context(cadata=server.credentials.ca)
    for headers in ({}, {"Authorization": "Bearer wrong"}):
        request = urllib.request.Request(f"{server.url}/api/v1/secrets", headers=headers)
        with pytest.raises(urllib.error.HTTPError) as refused:
            urllib.request.urlopen(request, context=context)
        assert refused.value.code == 401
        assert json.load(refused.value)["reason"] == "Unauthorized"
    with urllib.request.urlopen(f"{server.url}/readyz", context=context) as answer:
        assert answer.read() == b"ok"
