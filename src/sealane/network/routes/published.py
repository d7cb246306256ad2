"""The addresses of a proxy's Service and endpoints, for the statuses of its Gateways and Ingresses."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from sealane.kube.objects import Key
from sealane.network.routes.proxies import generated
from sealane.network.routes.sources import Sources
from sealane.network.services.endpoints import is_ready, slice_service
from sealane.reactive.collections import Fetch


@dataclass(frozen=True, slots=True)
class Status:
    """The status that the object `key` should have. Conditions in it have no lastTransitionTime yet."""

    key: Key
    status: dict[str, Any]


def service_addresses(proxy: Key, class_name: str, sources: Sources, fetch: Fetch) -> list[dict[str, str]]:
    """[{"ip": …} or {"hostname": …}] of the proxy's Service."""
    found = fetch.get(sources.services, Key("", "Service", *generated(proxy, class_name)))
    ingress = ((found.status.get("loadBalancer") or {}).get("ingress") or ()) if found is not None else ()
    return [{field: entry[field]} for entry in ingress for field in ("ip", "hostname") if entry.get(field)]


def proxy_is_ready(proxy: Key, class_name: str, sources: Sources, fetch: Fetch) -> bool:
    """Whether the proxy's Service has a ready endpoint."""
    return is_ready(fetch(sources.endpoint_slices, index=slice_service, value=generated(proxy, class_name)))
