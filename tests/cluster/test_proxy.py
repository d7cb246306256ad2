"""pods/proxy and services/proxy: kubectl reaches HTTP servers in pods through the API, with nothing but the API."""

from __future__ import annotations

import asyncio
import http.client
import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from textwrap import indent
from typing import Any

import aiohttp
import pytest

from sealane.testing.cluster import Cluster, eventually, kubectl_path

pytestmark = pytest.mark.sealane(nodes=2)

SERVER = """
import http.server, json
class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    def do_GET(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0)).decode()
        said = {"method": self.command, "path": self.path, "body": body, "headers": dict(self.headers)}
        answer = json.dumps(said).encode()
        self.send_response({"/moved": 302, "/teapot": 418}.get(self.path, 200))
        if self.path == "/moved":
            self.send_header("Location", "/new/place/?a=b")
        self.send_header("Content-Length", str(len(answer)))
        self.send_header("X-Echo", "yes")
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer)
    do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_GET
http.server.ThreadingHTTPServer(("", 8080), Handler).serve_forever()
"""
ECHO = f"""
apiVersion: v1
kind: Namespace
metadata: {{name: x}}
---
apiVersion: v1
kind: Pod
metadata: {{name: echo, namespace: x, labels: {{app: echo}}}}
spec:
  containers:
  - name: c
    image: sealane/host
    ports: [{{name: web, containerPort: 8080}}]
    readinessProbe: {{httpGet: {{path: /, port: web}}, periodSeconds: 1}}
    command:
    - {sys.executable}
    - -c
    - |
{indent(SERVER, "      ")}
---
apiVersion: v1
kind: Service
metadata: {{name: web, namespace: x}}
spec: {{selector: {{app: echo}}, ports: [{{port: 80, targetPort: web}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: named, namespace: x}}
spec:
  selector: {{app: echo}}
  ports: [{{name: http, port: 80, targetPort: 8080}}, {{name: closed, port: 81, targetPort: 9}}]
---
apiVersion: v1
kind: Pod
metadata: {{name: standin, namespace: x}}
spec: {{containers: [{{name: c, image: standin, ports: [{{containerPort: 8080}}]}}]}}
---
apiVersion: v1
kind: Service
metadata: {{name: empty, namespace: x}}
spec: {{selector: {{app: nobody}}, ports: [{{port: 80}}]}}
---
apiVersion: v1
kind: ServiceAccount
metadata: {{name: one, namespace: x}}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {{name: one, namespace: x}}
rules: [{{apiGroups: [""], resources: [services/proxy], resourceNames: ["web", "http:web:80"], verbs: [get]}}]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {{name: one, namespace: x}}
roleRef: {{apiGroup: rbac.authorization.k8s.io, kind: Role, name: one}}
subjects: [{{kind: ServiceAccount, name: one, namespace: x}}]
"""
X = "/api/v1/namespaces/x"
ONE = "system:serviceaccount:x:one"


@pytest.fixture(scope="module")
def x(sealane: Cluster) -> Cluster:
    sealane.apply(ECHO)
    return sealane


def asked(cluster: Cluster, path: str, *flags: str) -> Any:
    return cluster.kubectl("get", "--raw", f"{X}/{path}", *flags).check().json()


@pytest.mark.parametrize(
    "name",
    [
        "services/web",
        "services/web:80",
        "services/http:web:",
        "services/named:http",
        "services/http:named:80",
        "pods/echo",
        "pods/echo:8080",
        "pods/http:echo:8080",
    ],
)
def test_a_raw_get_reaches_the_pod(x: Cluster, name: str) -> None:
    said = eventually(lambda: asked(x, f"{name}/proxy/a%20b/c/?q=1&q=%2F"))
    assert (said["method"], said["path"]) == ("GET", "/a%20b/c/?q=1&q=%2F")
    assert said["headers"]["X-Forwarded-Uri"] == f"{X}/{name}/proxy/a%20b/c/"
    assert not {"Authorization", "authorization"} & said["headers"].keys()


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("services/empty", 'no endpoints available for service "empty"'),
        ("services/named", 'no endpoints available for service "named"'),  # it has no port without a name
        ("services/web:http", 'no endpoints available for service "web:http"'),
        ("services/web:81", 'no service port 81 found for service "web"'),
    ],
)
def test_nobody_to_ask(x: Cluster, name: str, message: str) -> None:
    refused = x.kubectl("get", "--raw", f"{X}/{name}/proxy/")
    assert (refused.code, refused.err) == (1, f"Error from server (ServiceUnavailable): {message}\n")


def test_what_cannot_be_reached_or_is_not_there(x: Cluster) -> None:
    refused = x.kubectl("get", "--raw", f"{X}/services/named:closed/proxy/").err
    assert refused.startswith("Error from server (ServiceUnavailable): error trying to reach service: dial tcp 10.")
    assert refused.endswith(":9: connect: connection refused\n")
    assert 'services "no" not found' in x.kubectl("get", "--raw", f"{X}/services/no/proxy/").err
    assert 'pods "no" not found' in x.kubectl("get", "--raw", f"{X}/pods/no:80/proxy/").err
    assert 'invalid service request "ftp:web:80"' in x.kubectl("get", "--raw", f"{X}/services/ftp:web:80/proxy/").err


def test_a_role_is_about_the_name_as_the_path_says_it(x: Cluster) -> None:
    """As kube-apiserver, whose users write "http:web:80" into resourceNames."""
    for name in ("web", "http:web:80"):
        said = asked(x, f"services/{name}/proxy/", "--as", ONE)
        assert not [header for header in said["headers"] if header.lower().startswith("impersonate")]
    for name in ("web:80", "named:80"):
        refused = x.kubectl("get", "--raw", f"{X}/services/{name}/proxy/", "--as", ONE)
        assert refused.err == (
            f'Error from server (Forbidden): services "{name}" is forbidden: User "{ONE}" cannot get resource '
            '"services/proxy" in API group "" in the namespace "x"\n'
        )
    refused = x.kubectl("create", "--raw", f"{X}/services/web/proxy/", "-f", "-", "--as", ONE, stdin="{}")
    assert 'cannot create resource "services/proxy"' in refused.err


@contextmanager
def proxied(cluster: Cluster) -> Iterator[http.client.HTTPConnection]:
    """Through `kubectl proxy`."""
    argv = [kubectl_path(), "--kubeconfig", cluster.kubeconfig, "proxy", "--port=0"]
    with subprocess.Popen(argv, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline().strip().rpartition(":")[2])
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
            yield connection
            connection.close()
        finally:
            process.terminate()


def test_every_method_through_kubectl_proxy(x: Cluster) -> None:
    path = f"{X}/services/web/proxy"
    with proxied(x) as connection:

        def ask(method: str, path: str, body: bytes | None = None) -> tuple[http.client.HTTPResponse, bytes]:
            connection.request(method, path, body, {"X-Mine": "kept", "Cookie": "a=b"})
            answer = connection.getresponse()
            return answer, answer.read()

        for method in ("POST", "PUT", "PATCH", "DELETE"):
            body = b"not json \xe2\x82\xac"
            answer, text = ask(method, f"{path}/made", body)
            said = json.loads(text)
            assert (answer.status, said["method"], said["path"]) == (200, method, "/made")
            assert said["body"].encode() == body
            assert (said["headers"]["X-Mine"], said["headers"]["Cookie"]) == ("kept", "a=b")
            assert answer.headers["X-Echo"] == "yes"
        large = b"x" * (4 << 20)  # more than an object may have
        assert len(json.loads(ask("POST", f"{path}/", large)[1])["body"]) == len(large)
        answer, text = ask("HEAD", f"{path}/")
        assert (answer.status, answer.headers["X-Echo"], text) == (200, "yes", b"")
        assert ask("GET", f"{path}/teapot")[0].status == 418
        answer, _ = ask("GET", f"{path}/moved")
        assert (answer.status, answer.headers["Location"]) == (302, f"{path}/new/place/?a=b")
        answer, _ = ask("GET", f"{path}?a=b")
        assert (answer.status, answer.headers["Location"]) == (301, f"{path}/?a=b")
        answer, text = ask("GET", f"{X}/services/empty/proxy/")
        assert (answer.status, json.loads(text)["reason"]) == (503, "ServiceUnavailable")


def test_a_websocket_through_kubectl_proxy(x: Cluster) -> None:
    async def talk(port: int) -> None:
        url = f"http://127.0.0.1:{port}{X}/pods/standin/proxy/chat"
        async with aiohttp.ClientSession() as session, session.ws_connect(url, max_msg_size=0) as socket:
            for message in (b"one", b"two" * 100_000):
                await socket.send_bytes(message)
                while (answer := await socket.receive(timeout=30)).data != message:
                    assert answer.type in (aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY), answer

    with proxied(x) as connection:
        assert connection.port
        asyncio.run(talk(connection.port))


def test_discovery_lists_both(x: Cluster) -> None:
    listed = x.kubectl("get", "--raw", "/api/v1").check().json()["resources"]
    found = {each["name"]: (each["kind"], each["verbs"]) for each in listed if each["name"].endswith("/proxy")}
    verbs = ["create", "delete", "get", "patch", "update"]
    assert found == {"pods/proxy": ("PodProxyOptions", verbs), "services/proxy": ("ServiceProxyOptions", verbs)}
