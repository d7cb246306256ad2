"""xDS resources as derived collections: one change of the model, one changed resource."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from hashlib import blake2b

from google.protobuf import message

from sealane.dataplane.envoy import config, names, routes
from sealane.kube.objects import Key
from sealane.network.routes.backends import BackendEndpoints, BackendKey
from sealane.network.routes.hosts import is_wildcard
from sealane.network.routes.model.http import HostKey, VirtualHost
from sealane.network.routes.model.l4 import PortKey
from sealane.network.routes.proxies import ProxyPod
from sealane.network.routes.routing import Routing, proxy_of_port
from sealane.reactive.collections import Collection, Fetch, derive_many
from sealane.reactive.groups import Members, group

_PREFIX = "type.googleapis.com/envoy.config."
CLUSTER = f"{_PREFIX}cluster.v3.Cluster"
ENDPOINTS = f"{_PREFIX}endpoint.v3.ClusterLoadAssignment"
LISTENER = f"{_PREFIX}listener.v3.Listener"
SCOPE = f"{_PREFIX}route.v3.ScopedRouteConfiguration"


@dataclass(frozen=True, slots=True)
class Resource:
    """version: a hash of body, so it is the same after a restart of the control plane. body: the encoded message."""

    name: str
    version: str
    body: bytes


Resources = Mapping[str, Collection[str, Resource]]
"""By type URL, then by resource name."""


def resource(name: str, value: message.Message) -> dict[str, Resource]:
    body = value.SerializeToString(deterministic=True)
    return {name: Resource(name, blake2b(body, digest_size=8).hexdigest(), body)}


def resources(routing: Routing, netns_path: Callable[[str], str]) -> Resources:
    """netns_path: from a pod's UID to the path of its network namespace."""

    def clusters(_key: BackendKey, backend: BackendEndpoints, _fetch: Fetch) -> Mapping[str, Resource]:
        return resource(names.cluster(backend.key), config.cluster(backend))

    def endpoints(_key: BackendKey, backend: BackendEndpoints, _fetch: Fetch) -> Mapping[str, Resource]:
        return resource(names.cluster(backend.key), config.endpoints(backend))

    def exact(key: HostKey, host: VirtualHost, _fetch: Fetch) -> Mapping[str, Resource]:
        return {} if is_wildcard(key.hostname) else resource(names.scope(key), routes.scope(host))

    def wildcard(_key: PortKey, hosts: Members[VirtualHost]) -> Resource:
        made = routes.wildcard_scope(tuple(hosts))
        return resource(made.name, made)[made.name]

    def listeners(_key: Key, pod: ProxyPod, fetch: Fetch) -> Mapping[str, Resource]:
        made: dict[str, Resource] = {}
        for port in fetch(routing.ports, index=proxy_of_port, value=pod.proxy):
            listener = config.listener(pod.uid, netns_path(pod.uid), pod.proxy, port.key.port)
            made.update(resource(listener.name, listener))
        return made

    return {
        CLUSTER: derive_many("envoy.clusters", routing.backends, clusters),
        ENDPOINTS: derive_many("envoy.endpoints", routing.backends, endpoints),
        LISTENER: derive_many("envoy.listeners", routing.pods, listeners),
        SCOPE: group(
            "envoy.scopes",
            [
                (derive_many("envoy.exact", routing.hosts, exact), _name),
                (group("envoy.wildcard", [(routing.hosts, _wildcards)], wildcard), _name),
            ],
            lambda _name, found: next(iter(found)),
        ),
    }


def _name(item: Resource) -> tuple[str]:
    return (item.name,)


def _wildcards(host: VirtualHost) -> tuple[PortKey, ...]:
    """Index of virtual hosts by port, of those that are not exact."""
    return (PortKey(host.key.proxy, host.key.port),) if is_wildcard(host.key.hostname) else ()
