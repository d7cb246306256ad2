"""Names shared by the resources that refer to each other."""

from __future__ import annotations

from sealane.kube.objects import Key
from sealane.network.routes.backends import BackendKey
from sealane.network.routes.model.http import HostKey
from sealane.network.routes.model.l4 import INGRESS_PROXY
from sealane.network.routes.model.tls import Chain

SCOPE_HEADER = "x-sealane-scope"
HOSTS_FILTER = "sealane.hosts"
NO_CLUSTER = "none"
"""A cluster that never exists: what is sent there is answered with 500."""


def proxy(key: Key) -> str:
    """ "shop/web" for a Gateway, "ingress" for the proxy of all Ingresses."""
    return "ingress" if key == INGRESS_PROXY else f"{key.namespace}/{key.name}"


def port(key: Key, number: int) -> str:
    return f"{proxy(key)}/{number}"


def entry(key: Key, number: int, chain: Chain | None = None) -> str:
    """Where requests come in: a port, or one HTTPS listener of it: "shop/web/443/*.example.com"."""
    return port(key, number) if chain is None or not chain.own else certified(key, number, chain)


def certified(key: Key, number: int, chain: Chain) -> str:
    """Where connections come in that get the certificate of `chain`: "ingress/443/shop.example.com"."""
    return f"{port(key, number)}/{chain.hostname or '*'}"


def scope(key: HostKey, chain: Chain | None = None) -> str:
    """Name of a virtual host, and of an exact one's scope and its key: "shop/web/80/shop.example.com"."""
    return f"{entry(key.proxy, key.port, chain)}/{key.hostname or '*'}"


def secret(key: Key) -> str:
    """ "shop/certificate"."""
    return f"{key.namespace}/{key.name}"


def cluster(key: BackendKey) -> str:
    """ "shop/cart/8080", "shop/cart/8080/grpc", "shop/cart/8080@shop/web" for the one proxy that has it."""
    use = f"/{key.use}" if key.use != "http" else ""
    alone = f"@{proxy(key.proxy)}" if key.proxy is not None else ""
    return f"{key.service.namespace}/{key.service.name}/{key.port}{use}{alone}"
