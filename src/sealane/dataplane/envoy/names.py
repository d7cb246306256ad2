"""Names shared by the resources that refer to each other."""

from __future__ import annotations

from sealane.kube.objects import Key
from sealane.network.routes.backends import BackendKey
from sealane.network.routes.model.http import HostKey
from sealane.network.routes.model.l4 import INGRESS_PROXY

SCOPE_HEADER = "x-sealane-scope"
HOSTS_FILTER = "sealane.hosts"
NO_CLUSTER = "none"
"""A cluster that never exists: what is sent there is answered with 500."""


def proxy(key: Key) -> str:
    """ "shop/web" for a Gateway, "ingress" for the proxy of all Ingresses."""
    return "ingress" if key == INGRESS_PROXY else f"{key.namespace}/{key.name}"


def port(key: Key, number: int) -> str:
    return f"{proxy(key)}/{number}"


def scope(key: HostKey) -> str:
    """Name of a virtual host, and of an exact one's scope and its key: "shop/web/80/shop.example.com"."""
    return f"{port(key.proxy, key.port)}/{key.hostname or '*'}"


def cluster(key: BackendKey) -> str:
    """ "shop/cart/8080"."""
    return f"{key.service.namespace}/{key.service.name}/{key.port}"
