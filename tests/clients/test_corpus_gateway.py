"""Each Gateway API manifest of the corpus, word for word, on a running cluster: it is served, or says why not.

Where the document is wrong, what is said names the right form, and the document in that form is served.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from tests.clients import corpus

from sealane.testing.cluster import Cluster, eventually

TABLE = corpus.table("corpus_gateway.yaml")
KINDS = frozenset(
    ("GatewayClass", "Gateway", "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute", "BackendTLSPolicy")
)
CLASSES = ("nginx", "example-nginx-gatewayclass")
CLASS = """
apiVersion: gateway.networking.k8s.io/v1
kind: GatewayClass
metadata: {{name: {name}}}
spec: {{controllerName: example.com/nginx-gateway-controller}}
---
"""
CALL = """
import grpc, sys
channel = grpc.insecure_channel(sys.argv[1], options=[("grpc.default_authority", sys.argv[2])])
try:
    channel.unary_unary("/" + sys.argv[3])(b"", timeout=5)
    print("OK")
except grpc.RpcError as error:
    print(error.code().name)
"""

pytestmark = corpus.needs_corpus


def test_the_table_has_every_such_file() -> None:
    unreadable = {name for name, said in TABLE.items() if "YAML" in said.get("refused", "")}  # of no kind
    assert set(TABLE) - unreadable == corpus.files("yaml", KINDS)


@pytest.fixture(scope="module")
def sealane() -> Iterator[Cluster]:
    cluster = Cluster(f"corpus-gateway-{os.getpid()}")
    try:
        classes = [word for name in CLASSES for word in ("--gateway-class", name)]
        given = "".join(CLASS.format(name=name) for name in CLASSES)
        cluster.sealane("up", "-", "--nodes", "1", "--dns-upstream", "none", *classes, stdin=given).check()
        yield cluster
    finally:
        cluster.sealane("down")


@pytest.fixture(scope="module")
def pair(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """Options of `kubectl create secret tls`: a certificate and its key."""
    folder = tmp_path_factory.mktemp("pair")
    key, certificate = str(folder / "key.pem"), str(folder / "certificate.pem")
    command = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=example.com", "-days", "2"]
    subprocess.run([*command, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    return [f"--cert={certificate}", f"--key={key}"]


def path(name: str) -> str:
    assert corpus.CORPUS is not None
    return str(corpus.CORPUS / name)


@pytest.mark.parametrize("name", [name for name, said in TABLE.items() if "refused" in said])
def test_it_is_refused(sealane: Cluster, name: str) -> None:
    done = sealane.sealane("up", "--populate", path(name))
    assert done.code == 2, done
    assert TABLE[name]["refused"] in done.err
    by_api = sealane.kubectl("apply", "-f", path(name))  # which leaves out the namespace where there can be none
    assert by_api.ok is TABLE[name].get("taken", False), by_api


@pytest.mark.parametrize("name", [name for name, said in TABLE.items() if "unattached" in said])
def test_it_is_not_attached(sealane: Cluster, name: str) -> None:
    said = TABLE[name]
    files = [path(each) for each in (*said["with"], name)]
    sealane.sealane("up", "--populate", *files).check()
    namespace, _, route = said["unattached"].partition("/")
    assert not sealane.get("httproute", route, namespace).get("status", {}).get("parents")
    for ask in said["asks"]:
        curl(sealane, address(sealane, said["gateway"]), {**ask, "from": None, "status": 404})
    delete(sealane, files)


@pytest.mark.parametrize("name", [name for name, said in TABLE.items() if "asks" in said])
def test_it_is_served(sealane: Cluster, pair: list[str], name: str, tmp_path: Path) -> None:
    said = TABLE[name]
    mended = tmp_path / name
    mended.write_text(text_of(name, said))
    services = tmp_path / "services.yaml"
    services.write_text(yaml.safe_dump_all(named(text_of(name, said))))
    files = [*(path(each) for each in said.get("with", ())), str(mended)]
    certificates(sealane, pair, name)
    sealane.sealane("up", "--populate", *files, str(services)).check()
    certificates(sealane, pair, name)  # of namespaces that were not there
    if label := said.get("label"):
        [route] = corpus.objects(name)
        metadata = route["metadata"]

        def refused() -> bool:
            found = sealane.get(route["kind"], metadata["name"], metadata["namespace"])
            reasons = {each["reason"] for parent in found["status"]["parents"] for each in parent["conditions"]}
            return "NotAllowedByListeners" in reasons

        eventually(refused)
        sealane.kubectl("label", "namespace", metadata["namespace"], label).check()
    where = address(sealane, said["gateway"])
    for ask in said["asks"]:
        eventually(lambda ask=ask: asked(sealane, where, ask))
    delete(sealane, [*files, str(services)])


def certificates(sealane: Cluster, pair: list[str], name: str) -> None:
    """The Secrets that listeners name, where they can be made and are not there yet."""
    for file in (*TABLE[name].get("with", ()), name):
        for each in yaml.safe_load_all(text_of(file, TABLE[name])):
            for listener in each.get("spec", {}).get("listeners", ()):
                for ref in listener.get("tls", {}).get("certificateRefs", ()):
                    namespace = each["metadata"].get("namespace", "default")
                    sealane.kubectl("create", "secret", "tls", ref["name"], "-n", namespace, *pair)


def named(text: str) -> list[dict[str, Any]]:
    """The Services that routes send to."""
    found: dict[str, dict[str, Any]] = {}
    for each in yaml.safe_load_all(text):
        namespace = each["metadata"].get("namespace", "default")
        for rule in each.get("spec", {}).get("rules", ()):
            mirrored = [one["requestMirror"]["backendRef"] for one in rule.get("filters", ()) if "requestMirror" in one]
            for ref in (*rule.get("backendRefs", ()), *mirrored):
                spec = {"selector": {"app": ref["name"]}, "ports": [{"port": ref["port"]}]}
                metadata = {"name": ref["name"], "namespace": namespace}
                found[ref["name"]] = {"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec}
    return list(found.values())


def text_of(name: str, said: dict[str, Any]) -> str:
    """A file as it is, or as the entry of the table says that it should be."""
    text = corpus.read(name)
    for wrong, right in said.get("right", ()) if TABLE[name] is said else ():
        assert wrong in text
        text = text.replace(wrong, right)
    return text


def address(sealane: Cluster, gateway: str) -> str:
    namespace, _, name = gateway.partition("/")

    def programmed() -> str:
        status = sealane.get("gateway", name, namespace).get("status", {})
        conditions = {each["type"]: each["status"] for each in status.get("conditions", ())}
        assert conditions.get("Programmed") == "True"
        return str(status["addresses"][0]["value"])

    return eventually(programmed)


def delete(sealane: Cluster, files: list[str]) -> None:
    for file in files:
        sealane.kubectl("delete", "--ignore-not-found", "-f", file).check()


def asked(sealane: Cluster, address: str, ask: dict[str, Any]) -> bool:
    if "tls" in ask:
        command = ["openssl", "s_client", "-connect", f"{address}:443", "-servername", ask["tls"], "-brief"]
        done = sealane.sealane("run", "--", "sh", "-c", f"{' '.join(command)} </dev/null 2>&1")
        assert "CONNECTION ESTABLISHED" in done.out, done
    elif "call" in ask:
        done = sealane.sealane("run", "--", sys.executable, "-c", CALL, f"{address}:80", ask["at"], ask["call"])
        assert done.out.strip() == ask["status"], done
    else:
        curl(sealane, address, ask)
    return True


def curl(sealane: Cluster, address: str, ask: dict[str, Any]) -> None:
    host = ask["url"].split("/")[2]
    command = ["curl", "-sSki", "--max-time", "5", "--connect-to", f"{host}::{address}:", *ask.get("options", ())]
    head, _, body = sealane.sealane("run", "--", *command, ask["url"]).check().out.replace("\r", "").partition("\n\n")
    assert int(head.split()[1]) == ask.get("status", 200), head
    if location := ask.get("location"):
        assert f"location: {location}\n" in f"{head}\n"
    if ask.get("from"):
        found = json.loads(body)
        assert found["pod"].rsplit("-", 2)[0] in ask["from"]
        assert found["path"] == ask.get("path", found["path"])
        assert ask.get("headers", {}).items() <= found["headers"].items()
    if service := ask.get("copied"):
        assert f"GET {ask['url'].partition(host)[2]} " in sealane.sealane("logs", f"deploy/{service}").check().out
