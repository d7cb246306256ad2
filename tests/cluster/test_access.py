"""Access as its users have it: tokens in pods, roles, certificates, webhooks in pods, a live cluster by kubeconfig."""

from __future__ import annotations

import asyncio
import base64
import json
import os
import signal
import sys
from pathlib import Path
from textwrap import dedent
from typing import Any

import pytest
from tests.unit.access.test_giving import request

from sealane.cluster import pki
from sealane.kube import kinds
from sealane.kube.client.http import HttpClient
from sealane.kube.client.kubeconfig import Access, render
from sealane.kube.objects import Key
from sealane.reactive.collections import Graph
from sealane.reactive.informer import inform
from sealane.testing.cluster import Cluster, eventually, run

pytestmark = pytest.mark.sealane(nodes=2)

ACCOUNTS = """
apiVersion: v1
kind: Namespace
metadata: {name: team}
---
apiVersion: v1
kind: ServiceAccount
metadata: {name: reader, namespace: team}
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: reader, namespace: team}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: view}
subjects: [{kind: ServiceAccount, name: reader, namespace: team}]
---
apiVersion: v1
kind: ConfigMap
metadata: {name: known, namespace: team}
data: {k: v}
---
apiVersion: v1
kind: Pod
metadata: {name: inside, namespace: team}
spec:
  serviceAccountName: reader
  containers: [{name: c, image: busybox, command: [sleep, "1000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: without, namespace: team}
spec:
  automountServiceAccountToken: false
  containers: [{name: c, image: busybox, command: [sleep, "1000"]}]
"""

IN_CLUSTER = """
from kubernetes import client, config
config.load_incluster_config()
core = client.CoreV1Api()
print([each.metadata.name for each in core.list_namespaced_pod("team").items])
try:
    core.list_namespaced_secret("team")
except client.ApiException as error:
    print(error.status)
"""


@pytest.fixture(scope="module")
def team(sealane: Cluster) -> Cluster:
    sealane.apply(ACCOUNTS)
    return sealane


def test_a_client_library_in_a_pod_is_its_service_account(team: Cluster) -> None:
    done = team.exec("inside", sys.executable, "-c", IN_CLUSTER, namespace="team").check()
    assert done.out.splitlines() == ["['inside', 'without']", "403"]
    folder = "/var/run/secrets/kubernetes.io/serviceaccount"
    assert not team.exec("without", "ls", folder, namespace="team").ok
    assert team.exec("inside", "ls", folder, namespace="team").check().out.split() == ["ca.crt", "namespace", "token"]


def test_a_pods_token_ends_with_the_pod(team: Cluster) -> None:
    team.apply(ACCOUNTS.replace("name: inside", "name: brief"))
    token = (
        team.exec("brief", "cat", "/var/run/secrets/kubernetes.io/serviceaccount/token", namespace="team").check().out
    )
    asked = ("--token", token, "get", "configmap", "known", "-n", "team")
    alone = anonymous(team)
    assert run_kubectl(team, alone, *asked).ok
    team.kubectl("delete", "pod", "brief", "-n", "team", "--grace-period=0", "--force").check()
    refused = eventually(lambda: not (done := run_kubectl(team, alone, *asked)).ok and done)
    assert "You must be logged in to the server" in refused.err


def anonymous(cluster: Cluster) -> Path:
    """A kubeconfig that says where the cluster is and nothing else."""
    full = Path(cluster.kubeconfig)
    path = full.with_name("kubeconfig.anonymous")
    lines = full.read_text().splitlines(keepends=True)
    path.write_text("".join(line for line in lines if "token:" not in line))
    return path


def run_kubectl(cluster: Cluster, kubeconfig: Path, *arguments: str) -> Any:
    from sealane.testing.cluster import kubectl_path

    return run([kubectl_path(), *arguments], env={**cluster.env, "KUBECONFIG": str(kubeconfig)})


def test_kubectl_auth(team: Cluster) -> None:
    who = "system:serviceaccount:team:reader"
    listed = team.kubectl("auth", "can-i", "--list", "-n", "team", "--as", who).check().out
    assert any(line.split()[0] == "pods" and "[get list watch]" in line for line in listed.splitlines())
    assert team.kubectl("auth", "can-i", "get", "pods", "-n", "team", "--as", who).out == "yes\n"
    assert team.kubectl("auth", "can-i", "delete", "pods", "-n", "team", "--as", who).out == "no\n"
    refused = team.kubectl("delete", "pod", "inside", "-n", "team", "--as", who)
    assert refused.err == (
        f'Error from server (Forbidden): pods "inside" is forbidden: User "{who}" cannot delete resource "pods" in API '
        'group "" in the namespace "team"\n'
    )
    whoami = team.kubectl("auth", "whoami", "-o", "json", "--as", who).check().json()
    assert whoami["status"]["userInfo"]["username"] == who
    role = "{apiVersion: rbac.authorization.k8s.io/v1, kind: ClusterRole, metadata: {name: extra}, rules: [%s]}"
    rule = "{apiGroups: [''], resources: [pods], verbs: [get]}"
    assert "reconciled" in team.kubectl("auth", "reconcile", "-f", "-", stdin=role % rule).check().out
    more = "{apiGroups: [''], resources: [secrets], verbs: [get]}"
    team.kubectl("auth", "reconcile", "-f", "-", stdin=role % more).check()
    rules = team.get("clusterrole", "extra")["rules"]
    assert [each["resources"] for each in rules] == [["pods"], ["secrets"]]


@pytest.fixture(scope="module")
def contexts(team: Cluster, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Ways to be somebody who may see everything, each a context: KUBECONFIG."""
    folder = tmp_path_factory.mktemp("contexts")
    team.kubectl("create", "sa", "watcher").check()
    team.kubectl("create", "clusterrolebinding", "w", "--clusterrole=cluster-admin", "--serviceaccount=default:watcher")
    token = team.kubectl("create", "token", "watcher").check().out.strip()
    (folder / "token").write_text(token)
    text, key = request("dora", "sre")
    team.kubectl("create", "clusterrolebinding", "sre", "--clusterrole=cluster-admin", "--group=sre").check()
    asked = {
        "apiVersion": "certificates.k8s.io/v1",
        "kind": "CertificateSigningRequest",
        "metadata": {"name": "dora"},
        "spec": {"request": text, "signerName": "kubernetes.io/kube-apiserver-client", "usages": ["client auth"]},
    }
    team.kubectl("apply", "-f", "-", stdin=json.dumps(asked)).check()
    team.kubectl("certificate", "approve", "dora").check()
    signed = eventually(lambda: team.get("csr", "dora")["status"].get("certificate"))
    assert "Approved,Issued" in team.kubectl("get", "csr", "dora").check().out
    plugin = folder / "plugin"
    plugin.write_text(
        dedent(
            f"""\
            #!/bin/sh
            echo "$KUBERNETES_EXEC_INFO" >> {folder}/runs
            echo '{{"apiVersion": "client.authentication.k8s.io/v1", "kind": "ExecCredential",' \\
              '"status": {{"token": "{token}"}}}}'
            """
        )
    )
    plugin.chmod(0o755)
    own = Path(team.kubeconfig).read_text()
    server = next(line.split()[-1] for line in own.splitlines() if "server:" in line)
    ca = (Path(team.kubeconfig).parent / "pki/ca.crt").read_text()
    certificate = base64.b64decode(signed).decode()
    users: dict[str, str] = {
        "token": f"{{token: {token}}}",
        "file": "{tokenFile: token}",
        "certificate": "",
        "plugin": "{exec: {apiVersion: client.authentication.k8s.io/v1, command: ./plugin, interactiveMode: Never}}",
        "nobody": "{token: wrong}",
    }
    found = {}
    for name, user in users.items():
        access = (
            Access(server, ca=ca, client_certificate=certificate, client_key=key) if not user else Access(server, ca=ca)
        )
        text = render(access, name)
        if user:
            text = text.replace("  user: {}", f"  user: {user}")
        path = folder / f"{name}.yaml"
        path.write_text(text)
        found[name] = str(path)
    return found


@pytest.mark.parametrize("context", ["token", "file", "certificate", "plugin"])
def test_a_live_cluster_is_shown(team: Cluster, contexts: dict[str, str], context: str) -> None:
    env = {**team.env, "KUBECONFIG": contexts[context]}
    sealane = [sys.executable, "-m", "sealane"]
    shown = run([*sealane, "status", "--context", context, "-o", "json"], env=env).check().json()
    assert {each["name"] for each in shown["nodes"]} == {"node-1", "node-2"}
    assert "inside" in {each["name"] for each in shown["pods"]}
    [service] = [each for each in shown["services"] if each["name"] == "kubernetes"]
    assert (service["addresses"], service["ports"]) == (["10.96.0.1"], ["443/TCP"])
    assert shown["refused"] == {}
    traced = run([*sealane, "trace", "--context", context, "-n", "team", "inside", "kubernetes.default:443"], env=env)
    assert "10.96.0.1" in traced.out
    assert "inside" in run([*sealane, "status", "--context", context], env=env).check().out


def test_a_live_cluster_that_does_not_let_us_in(team: Cluster, contexts: dict[str, str]) -> None:
    sealane = [sys.executable, "-m", "sealane", "status", "--context"]
    done = run([*sealane, "nobody"], env={**team.env, "KUBECONFIG": contexts["nobody"]})
    assert (done.code, "does not accept the credentials of this context" in done.err) == (1, True)
    done = run([*sealane, "none"], env={**team.env, "KUBECONFIG": contexts["token"]})
    assert (done.code, "no context 'none'; there is: token" in done.err) == (2, True)


def test_informers_and_writes_go_on_when_the_api_restarts(team: Cluster, contexts: dict[str, str]) -> None:
    """What controllers do through a kubeconfig, before and after the API of the cluster is killed."""

    async def talk() -> None:
        async with HttpClient.from_kubeconfig(contexts["plugin"]) as client:
            informers = inform(client, Graph(), [kinds.CONFIGMAP])
            source = informers[kinds.CONFIGMAP]
            informers.start()
            await asyncio.wait_for(informers.synced(), 20)
            for number in range(3):
                pid = next(each["pid"] for each in team.status()["processes"] if each["role"] == "control-plane")
                os.kill(pid, signal.SIGKILL)
                async with asyncio.timeout(60):
                    while True:
                        try:
                            metadata = {"name": f"after-{number}", "namespace": "team"}
                            await client.create(kinds.CONFIGMAP, {"metadata": metadata})
                            break
                        except OSError:
                            await asyncio.sleep(0.1)
                    while Key("", "ConfigMap", "team", f"after-{number}") not in source:
                        await asyncio.sleep(0.02)
            names = {f"after-{number}" for number in range(3)}
            await client.delete(kinds.CONFIGMAP, "team", "after-0")
            async with asyncio.timeout(20):
                while {key.name for key in source if key.name.startswith("after-")} != names - {"after-0"}:
                    await asyncio.sleep(0.02)
            await informers.stop()

    asyncio.run(talk())


HOOK = """
import base64, json, ssl, sys
from http.server import BaseHTTPRequestHandler, HTTPServer

class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        request = review["request"]
        answer = {"uid": request["uid"], "allowed": True}
        if self.path.startswith("/mutate"):
            labels = {"touched-by": request["userInfo"]["username"]}
            patch = [{"op": "add", "path": "/metadata/labels", "value": labels}]
            answer |= {"patchType": "JSONPatch", "patch": base64.b64encode(json.dumps(patch).encode()).decode()}
        elif (request["object"]["data"] or {}).get("secret"):
            answer |= {"allowed": False, "status": {"code": 403, "message": "no secrets in config maps"}}
        else:
            answer["warnings"] = ["looked at " + request["name"]]
        review = {"apiVersion": review["apiVersion"], "kind": review["kind"], "response": answer}
        body = json.dumps(review).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

server = HTTPServer(("", 8443), Handler)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/tls/tls.crt", "/tls/tls.key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def webhook_manifests(certificate: bytes, key: bytes, ca: str) -> str:
    def encoded(data: bytes) -> str:
        return base64.b64encode(data).decode()

    def configuration(kind: str, path: str) -> Any:
        service = {"namespace": "hooks", "name": "guard", "path": path}
        hook = {
            "name": f"{path[1:]}.example.com",
            "clientConfig": {"service": service, "caBundle": encoded(ca.encode())},
            "rules": [
                {"operations": ["CREATE"], "apiGroups": [""], "apiVersions": ["v1"], "resources": ["configmaps"]}
            ],
            "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "team"}},
            "sideEffects": "None",
            "admissionReviewVersions": ["v1"],
            "timeoutSeconds": 5,
        }
        api_version = "admissionregistration.k8s.io/v1"
        return {"apiVersion": api_version, "kind": kind, "metadata": {"name": path[1:]}, "webhooks": [hook]}

    metadata = {"name": "guard", "namespace": "hooks", "labels": {"app": "guard"}}
    container = {
        "name": "c",
        "image": "python",
        "command": [sys.executable, "/code/hook.py"],
        "ports": [{"containerPort": 8443}],
        "readinessProbe": {"tcpSocket": {"port": 8443}, "periodSeconds": 1},
        "volumeMounts": [{"name": "code", "mountPath": "/code"}, {"name": "tls", "mountPath": "/tls"}],
    }
    volumes = [{"name": "code", "configMap": {"name": "guard"}}, {"name": "tls", "secret": {"secretName": "guard"}}]
    tls = {"tls.crt": encoded(certificate), "tls.key": encoded(key)}
    items = [
        {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "hooks"}},
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": {"hook.py": HOOK}},
        {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": tls},
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": metadata,
            "spec": {"selector": {"app": "guard"}, "ports": [{"port": 443, "targetPort": 8443}]},
        },
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": metadata,
            "spec": {"containers": [container], "volumes": volumes},
        },
        configuration("MutatingWebhookConfiguration", "/mutate"),
        configuration("ValidatingWebhookConfiguration", "/validate"),
    ]
    return "\n---\n".join(map(json.dumps, items))


def test_webhooks_in_pods_are_asked_through_their_service(
    team: Cluster, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pki, "NAMES", ("guard.hooks.svc",))
    made = pki.ensure(tmp_path)
    team.apply(webhook_manifests(made.server_certificate.read_bytes(), made.server_key.read_bytes(), made.ca))
    created = team.kubectl("create", "configmap", "fine", "-n", "team", "--from-literal=a=b").check()
    assert "Warning: looked at fine" in created.err
    assert team.get("configmap", "fine", "team")["metadata"]["labels"] == {"touched-by": "kubernetes-admin"}
    refused = team.kubectl("create", "configmap", "bad", "-n", "team", "--from-literal=secret=x")
    assert refused.err.strip().endswith(
        'admission webhook "validate.example.com" denied the request: no secrets in config maps'
    )
    team.kubectl("create", "configmap", "elsewhere", "--from-literal=secret=x").check()
    team.kubectl("delete", "pod", "guard", "-n", "hooks", "--grace-period=0", "--force").check()
    gone = team.kubectl("create", "configmap", "late", "-n", "team")
    assert 'failed calling webhook "mutate.example.com": failed to call webhook: Post ' in gone.err
    assert '"https://guard.hooks.svc:443/mutate?timeout=5s"' in gone.err
    team.kubectl("delete", "mutatingwebhookconfiguration/mutate", "validatingwebhookconfiguration/validate").check()
    team.kubectl("create", "configmap", "late", "-n", "team").check()
