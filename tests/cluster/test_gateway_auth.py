"""Requests that an authorizer lets through (HTTPExternalAuthFilter, GEP-1494), which the official suite does not look
at."""

from __future__ import annotations

import json
from collections.abc import Callable

import pytest

from sealane.testing.cluster import Cluster, eventually

MANIFESTS = """
apiVersion: gateway.networking.k8s.io/v1
kind: Gateway
metadata: {namespace: default, name: edge}
spec: {gatewayClassName: sealane, listeners: [{name: http, port: 80, protocol: HTTP}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: default, name: web, labels: {app: web}}
spec: {containers: [{name: c, image: nginx}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: default, name: web}
spec: {selector: {app: web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Pod
metadata: {namespace: default, name: door, labels: {app: door}}
spec:
  containers:
    - name: c
      image: python
      command: [python3, -c]
      args:
        - |
          import http.server, json
          class Door(http.server.BaseHTTPRequestHandler):
              def do_POST(self):
                  body = self.rfile.read(int(self.headers.get("content-length") or 0))
                  token = self.headers.get("authorization") or ""
                  self.send_response({"": 401, "broken": 503, "away": 302, "created": 201}.get(token, 200))
                  self.send_header("WWW-Authenticate", "Bearer")
                  self.send_header("X-User", token)
                  self.send_header("X-Other", "other")
                  saw = [self.command, self.path, self.headers["host"], self.headers.get("x-kept"),
                         self.headers.get("x-secret"), body.decode()]
                  self.send_header("X-Saw", json.dumps(saw))
                  self.send_header("Content-Length", "4")
                  self.end_headers()
                  self.wfile.write(b"door")
              do_GET = do_POST
          http.server.ThreadingHTTPServer(("", 80), Door).serve_forever()
---
apiVersion: v1
kind: Service
metadata: {namespace: default, name: door}
spec: {selector: {app: door}, ports: [{port: 80}]}
---
apiVersion: v1
kind: Service
metadata: {namespace: default, name: nobody}
spec: {selector: {app: nobody}, ports: [{port: 80}]}
---
apiVersion: gateway.networking.k8s.io/v1
kind: HTTPRoute
metadata: {namespace: default, name: web}
spec:
  parentRefs: [{name: edge}]
  hostnames: [shop.example, "*.wild.example"]
  rules:
    - matches: [{path: {value: /some}}]
      filters:
        - type: ExternalAuth
          externalAuth:
            protocol: HTTP
            backendRef: {name: door, port: 80}
            http: {path: /check/, allowedHeaders: [X-Kept], allowedResponseHeaders: [X-User, X-Saw]}
            forwardBody: {maxSize: 10}
      backendRefs: [{name: web, port: 80}]
    - matches: [{path: {value: /plain}}]
      filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: door, port: 80}}}]
      backendRefs: [{name: web, port: 80}]
    - matches: [{path: {value: /moved}}]
      filters:
        - {type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: door, port: 80}}}
        - {type: RequestRedirect, requestRedirect: {hostname: other.example}}
    - matches: [{path: {value: /nobody}}]
      filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: nobody, port: 80}}}]
      backendRefs: [{name: web, port: 80}]
    - matches: [{path: {value: /missing}}]
      filters: [{type: ExternalAuth, externalAuth: {protocol: HTTP, backendRef: {name: missing, port: 80}}}]
      backendRefs: [{name: web, port: 80}]
    - {matches: [{path: {value: /open}}], backendRefs: [{name: web, port: 80}]}
"""
ASK = """
import http.client, json, sys
connection = http.client.HTTPConnection(sys.argv[1], 80, timeout=15)
method, path, headers, body = json.loads(sys.argv[2])
connection.request(method, path, body or None, headers)
answer = connection.getresponse()
print(json.dumps([answer.status, {key.lower(): value for key, value in answer.getheaders()}, answer.read().decode()]))
"""
Answer = tuple[int, dict[str, str], str]
Ask = Callable[..., Answer]
pytestmark = pytest.mark.sealane(nodes=1)


@pytest.fixture(scope="module")
def ask(sealane: Cluster) -> Ask:
    sealane.apply(MANIFESTS).check()
    gateway = sealane.get("gateway", "edge", "default")
    address = str(gateway["status"]["addresses"][0]["value"])

    def asked(path: str, token: str = "", host: str = "shop.example", body: str = "", **more: str) -> Answer:
        headers = {"Host": host, **({"Authorization": token} if token else {}), **more}
        words = json.dumps(["POST" if body else "GET", path, headers, body])
        done = sealane.sealane("run", "--", "python3", "-c", ASK, address, words)
        assert done.ok, done
        status, told, text = json.loads(done.out)
        return status, told, text

    def ready() -> bool:
        return asked("/plain", "ann")[0] == 200 and asked("/open")[0] == 200

    eventually(ready)
    return asked


def seen(answer: Answer) -> dict[str, str]:
    """The headers that the backend got."""
    headers = json.loads(answer[2])["headers"]
    return {name.lower(): value if isinstance(value, str) else value[0] for name, value in headers.items()}


def test_what_the_authorizer_answers_with_200_goes_on(ask: Ask) -> None:
    got = ask("/some/x?a=b", "ann", body="0123456789", **{"X-Kept": "k", "X-Secret": "s", "X-User": "me"})
    assert got[0] == 200
    headers = seen(got)
    assert headers["x-user"] == "ann"
    assert "x-other" not in headers
    assert json.loads(headers["x-saw"]) == ["POST", "/check/some/x?a=b", "shop.example", "k", None, "0123456789"]
    assert json.loads(got[2])["path"] == "/some/x?a=b"


def test_no_list_means_all_of_its_headers_and_none_of_the_request(ask: Ask) -> None:
    headers = seen(ask("/plain", "ann", host="a.wild.example", **{"X-Kept": "k"}))
    assert (headers["x-user"], headers["x-other"], headers["host"]) == ("ann", "other", "a.wild.example")
    assert json.loads(headers["x-saw"]) == ["GET", "/plain", "a.wild.example", None, None, ""]


def test_another_answer_of_the_authorizer_is_the_clients(ask: Ask) -> None:
    for host in ("shop.example", "a.wild.example"):
        status, headers, text = ask("/plain", host=host)
        assert (status, headers["www-authenticate"], text) == (401, "Bearer", "door")
    assert [ask("/plain", token)[0] for token in ("away", "created")] == [302, 201]
    assert ask("/some", "ann", body="0123456789a")[0] == 413
    assert ask("/moved")[0] == 401
    assert ask("/moved", "ann")[1]["location"] == "http://other.example/moved"


def test_an_authorizer_that_fails_denies(ask: Ask) -> None:
    assert ask("/plain", "broken")[0] == 403
    assert ask("/nobody", "ann")[0] == 403
    assert ask("/missing", "ann")[0] == 500
    assert ask("/open")[0] == 200
