"""The status of an Ingress: the addresses of its proxy's Service. Source: the Ingress v1 API reference."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.network.routes.ingress.classes import class_of
from sealane.network.routes.model.l4 import INGRESS_PROXY
from sealane.network.routes.published import Status, service_addresses
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch, derive

if TYPE_CHECKING:
    from sealane.kube.shapes import Ingress


def statuses(sources: Sources) -> Collection[Key, Status]:
    return derive(
        "routes.status.ingress", sources.ingresses, lambda _key, item, fetch: ingress_status(item, sources, fetch)
    )


def ingress_status(item: Ingress, sources: Sources, fetch: Fetch) -> Status | None:
    if class_of(item, sources, fetch) is None:
        return None
    addresses = service_addresses(INGRESS_PROXY, "", sources, fetch)
    return Status(item.key, {"loadBalancer": {"ingress": addresses} if addresses else {}})
