"""The load balancers that take connections themselves, and their certificates, kept as Services and Secrets say."""

from __future__ import annotations

import asyncio
import base64
import logging
import os
import ssl
import tempfile
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from pathlib import Path

from sealane.cluster import pki
from sealane.cluster.state import Folder
from sealane.dataplane.balancer.proxy import Balancer, BalancerProxy
from sealane.dataplane.linux.threads import NamespaceThread
from sealane.kube import kinds
from sealane.kube.client.protocol import Client
from sealane.kube.objects import Key, Object
from sealane.network.addresses import NodePlan
from sealane.network.services.annotations import annotated_ranges, public_names
from sealane.network.services.listeners import listeners
from sealane.reactive.collections import Graph, Source
from sealane.reactive.informer import Informer
from sealane.reactive.recorder import Recorder

log = logging.getLogger(__name__)

Issue = Callable[[str, Iterable[str], Iterable[str]], tuple[bytes, bytes]]
"""A certificate (with its chain) and key of the cluster's CA, both PEM, for a common name, DNS names and addresses."""


def balancers(services: Iterable[Object]) -> list[Balancer]:
    """The Services whose load balancer is a proxy, as soon as their status says so."""
    found = []
    for service in services:
        taken = listeners(service)
        ingress = (service.status.get("loadBalancer") or {}).get("ingress") or ()
        addresses = tuple(each["ip"] for each in ingress if each.get("ip") and each.get("ipMode") == "Proxy")
        usable = tuple(each for each in taken if each.node_port)
        if addresses and usable:
            spec = service.spec
            ranges = tuple(spec.get("loadBalancerSourceRanges") or ()) or tuple(annotated_ranges(service))
            check = int(spec.get("healthCheckNodePort") or 0) if spec.get("externalTrafficPolicy") == "Local" else 0
            found.append(Balancer(service.key, addresses, usable, ranges, check))
    return found


class LoadBalancing:
    """Keeps the load balancers that are proxies; `update` when Services or Secrets have changed, as `changed` says."""

    def __init__(
        self,
        client: Client,
        graph: Graph,
        services: Source[Key, Object],
        outside: NamespaceThread,
        nodes: Sequence[NodePlan],
        folder: Folder,
        changed: asyncio.Event,
    ) -> None:
        secrets: Source[Key, Object] = Source(graph, "secrets of load balancers")
        secrets.subscribe(lambda _changes: changed.set())
        self._services = services
        credentials = pki.ensure(folder.pki)
        self._certificates = Certificates(
            client,
            secrets,
            services,
            Recorder(client, "loadbalancer-controller"),
            lambda name, names, addresses: pki.issue(credentials, name, names, addresses),
            folder.run / "load-balancers",
        )
        addresses = [[str(address) for address in plan.addresses] for plan in nodes]
        self._proxy = BalancerProxy(lambda: outside, addresses, self._certificates.context)

    async def update(self) -> None:
        wanted = balancers(self._services.values())
        await self._certificates.follow(wanted)
        await self._proxy.update(wanted)


class Certificates:
    """TLS contexts by Secret, remade when the Secret changes. Secrets are followed once the first is asked for."""

    def __init__(
        self,
        client: Client,
        secrets: Source[Key, Object],
        services: Source[Key, Object],
        recorder: Recorder,
        issue: Issue,
        folder: Path,
    ) -> None:
        self._informer = Informer(client, kinds.SECRET, secrets)
        self._secrets = secrets
        self._services = services
        self._recorder = recorder
        self._issue = issue
        self._folder = folder
        self._made: dict[tuple[Key, str], tuple[str, ssl.SSLContext]] = {}

    async def follow(self, wanted: Iterable[Balancer]) -> None:
        """Returns when the Secrets that these need are known."""
        if any(each.secret for one in wanted for each in one.listeners):
            self._informer.start()
            await self._informer.synced()

    def context(self, service: Key, name: str) -> ssl.SSLContext | None:
        """For a Service's listener. Without that Secret, a certificate of the cluster's CA; None for a bad one."""
        secret = self._secrets.get(Key("", "Secret", service.namespace, name))
        version = f"{secret.uid} {secret.resource_version}" if secret is not None else ""
        known = self._made.get((service, name))
        if known is not None and known[0] == version:
            return known[1]
        about = self._services.get(service)
        try:
            certificate, key = self._of(secret) if secret is not None else self._own(about, name)
            context = self._load(certificate, key)
        except (ValueError, OSError) as error:  # ssl.SSLError is an OSError
            if about is not None:
                text = f"Secret {service.namespace}/{name} holds no usable certificate: {error}"
                self._recorder.record(about, "Warning", "BadCertificate", text)
            return None
        self._made[service, name] = version, context
        return context

    def _of(self, secret: Object) -> tuple[bytes, bytes]:
        data = secret.raw.get("data") or {}
        if not data.get("tls.crt") or not data.get("tls.key"):
            raise ValueError("tls.crt and tls.key are needed")
        return base64.b64decode(data["tls.crt"]), base64.b64decode(data["tls.key"])

    def _own(self, service: Object | None, name: str) -> tuple[bytes, bytes]:
        ingress: list[str] = []
        names: list[str] = []
        if service is not None:
            entries = (service.status.get("loadBalancer") or {}).get("ingress") or ()
            ingress = [each["ip"] for each in entries if each.get("ip")]
            names = [*public_names(service), f"{service.name}.{service.namespace}.svc"]
            text = (
                f"there is no Secret {service.namespace}/{name}: TLS ends with a certificate of the cluster's own CA "
                f"until there is one (kubectl create secret tls {name} -n {service.namespace} --cert FILE --key FILE)"
            )
            self._recorder.record(service, "Warning", "CertificateMissing", text)
        return self._issue(name, names, ingress)

    def _load(self, certificate: bytes, key: bytes) -> ssl.SSLContext:
        """OpenSSL reads certificates from files only."""
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_2
        self._folder.mkdir(parents=True, exist_ok=True)
        descriptor, path = tempfile.mkstemp(dir=self._folder)  # mode 0600
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(certificate + b"\n" + key)
            context.load_cert_chain(path)
        finally:
            with suppress(OSError):
                os.unlink(path)
        return context
