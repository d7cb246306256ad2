"""Load balancers that take connections themselves: which there are, and which certificate each shows."""

from __future__ import annotations

import asyncio
import base64
import ssl
from pathlib import Path
from typing import Any

from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.cluster import pki
from sealane.cluster.load_balancing import Certificates, balancers
from sealane.kube.kinds import EVENT, NAMESPACE
from sealane.kube.objects import Key, Object
from sealane.network.services.listeners import Listener
from sealane.reactive.collections import Graph, Source
from sealane.reactive.recorder import Recorder


def service(mode: str = "Proxy", **spec: Any) -> Object:
    annotations = {"sealane.dev/load-balancer-tls-secret": "web-tls"}
    return Object(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "web", "namespace": "default", "uid": "u", "annotations": annotations},
            "spec": {"type": "LoadBalancer", "ports": [{"port": 443, "nodePort": 30443}], **spec},
            "status": {"loadBalancer": {"ingress": [{"ip": "172.18.255.1", "ipMode": mode}]}},
        }
    )


def test_which_there_are() -> None:
    [found] = balancers([service(), service("VIP"), Object({"kind": "Service", "metadata": {"name": "plain"}})])
    assert found.addresses == ("172.18.255.1",)
    assert found.listeners == (Listener(443, 30443, "web-tls"),)
    assert (found.ranges, found.check) == ((), 0)
    [found] = balancers(
        [service(externalTrafficPolicy="Local", healthCheckNodePort=32000, loadBalancerSourceRanges=["192.0.2.0/24"])]
    )
    assert (found.ranges, found.check) == (("192.0.2.0/24",), 32000)
    assert balancers([service(ports=[{"port": 443}])]) == []  # without a node port there is no way on


def test_certificates(tmp_path: Path) -> None:
    async def scenario() -> None:
        store = Store.open(tmp_path / "store.db")
        client = LocalClient(start_api(store))
        await client.create(NAMESPACE, {"metadata": {"name": "default"}})
        credentials = pki.ensure(tmp_path / "pki")
        graph = Graph()
        secrets: Source[Key, Object] = Source(graph, "secrets")
        services: Source[Key, Object] = Source(graph, "services")
        services.set(service().key, service())
        recorder = Recorder(client, "test")
        found = Certificates(
            client,
            secrets,
            services,
            recorder,
            lambda name, names, addresses: pki.issue(credentials, name, names, addresses),
            tmp_path / "held",
        )
        own = found.context(service().key, "web-tls")
        assert own is not None
        assert found.context(service().key, "web-tls") is own
        assert _shown(own, "172.18.255.1", credentials.ca) == "web-tls"

        certificate, key = pki.issue(credentials, "shop", ["shop.example.com"], [])
        data = {"tls.crt": certificate, "tls.key": key}
        encoded = {name: base64.b64encode(value).decode() for name, value in data.items()}
        metadata = {"name": "web-tls", "namespace": "default", "resourceVersion": "7"}
        secret = Object({"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "data": encoded})
        secrets.set(secret.key, secret)
        given = found.context(service().key, "web-tls")
        assert given is not None
        assert given is not own
        assert _shown(given, "shop.example.com", credentials.ca) == "shop"

        bad = {**secret.raw, "metadata": {**metadata, "resourceVersion": "8"}, "data": {"tls.crt": "AAAA"}}
        secrets.set(secret.key, Object(bad))
        assert found.context(service().key, "web-tls") is None
        await recorder.flush()
        events = {each.raw["reason"] for each in (await client.list(EVENT, "default")).items}
        assert events == {"CertificateMissing", "BadCertificate"}
        assert list((tmp_path / "held").iterdir()) == []  # no key is left lying about
        store.close()

    asyncio.run(scenario())


def _shown(server: ssl.SSLContext, host: str, ca: str) -> str:
    """The common name that a client sees which trusts the cluster's CA; in memory, without a socket."""
    client_in, client_out = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context(cadata=ca)
    near = context.wrap_bio(client_in, client_out, server_hostname=host)
    far = server.wrap_bio(client_out, client_in, server_side=True)
    for _ in range(10):
        for side in (near, far):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                continue
    subject: Any = near.getpeercert()
    return str(dict(pair[0] for pair in subject["subject"])["commonName"])
