"""xDS resources as derived collections: one change of the model, one changed resource."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from google.protobuf import message

from sealane.dataplane.envoy import clusters, config, names, routes, tls
from sealane.kube.objects import Key
from sealane.network.routes.backends import BackendEndpoints, BackendKey
from sealane.network.routes.hosts import is_wildcard
from sealane.network.routes.model.http import HostKey, VirtualHost
from sealane.network.routes.model.l4 import OpenPort, PortKey
from sealane.network.routes.model.streams import Stream
from sealane.network.routes.model.tls import Chain, chain_for
from sealane.network.routes.proxies import ProxyPod
from sealane.network.routes.routing import Routing, proxy_of_port
from sealane.reactive.collections import Collection, Fetch, derive, derive_many
from sealane.reactive.groups import Members, group

_PREFIX = "type.googleapis.com/envoy.config."
CLUSTER = f"{_PREFIX}cluster.v3.Cluster"
ENDPOINTS = f"{_PREFIX}endpoint.v3.ClusterLoadAssignment"
LISTENER = f"{_PREFIX}listener.v3.Listener"
SCOPE = f"{_PREFIX}route.v3.ScopedRouteConfiguration"
SECRET = "type.googleapis.com/envoy.extensions.transport_sockets.tls.v3.Secret"


@dataclass(frozen=True, slots=True)
class Resource:
    """version: a hash of body, so it is the same after a restart of the control plane. body: the encoded message.

    secrets: names of those that a listener waits for. scoped: it waits for scopes as well.
    """

    name: str
    version: str
    body: bytes = field(repr=False)
    secrets: tuple[str, ...] = ()
    scoped: bool = False


Resources = Mapping[str, Collection[str, Resource]]
"""By type URL, then by resource name."""


@dataclass(frozen=True, slots=True)
class Placed:
    """A virtual host at the HTTPS listener that it belongs to; chain: None on a port without TLS."""

    host: VirtualHost
    chain: Chain | None


def resource(
    name: str, value: message.Message, secrets: Iterable[str] = (), *, scoped: bool = False
) -> dict[str, Resource]:
    body = value.SerializeToString(deterministic=True)
    return {name: Resource(name, blake2b(body, digest_size=8).hexdigest(), body, tuple(secrets), scoped)}


def resources(routing: Routing, netns_path: Callable[[str], str]) -> Resources:
    """netns_path: from a pod's UID to the path of its network namespace."""

    def made_clusters(key: BackendKey, backend: BackendEndpoints, fetch: Fetch) -> Mapping[str, Resource]:
        if key.use == "udp":
            return {}
        netns = ""
        if key.proxy is not None:
            pods = fetch(routing.pods, index=_proxy_of_pod, value=key.proxy)
            netns = netns_path(pods[0].uid) if pods else ""
        shown = fetch.get(routing.pairs, backend.certificate) if backend.certificate is not None else None
        return resource(names.cluster(key), clusters.cluster(backend, netns, shown))

    def endpoints(key: BackendKey, backend: BackendEndpoints, _fetch: Fetch) -> Mapping[str, Resource]:
        return resource(names.cluster(key), clusters.endpoints(backend)) if key.use != "udp" else {}

    def place(key: HostKey, host: VirtualHost, fetch: Fetch) -> Placed:
        chains = fetch.get(secure, PortKey(key.proxy, key.port)) or ()
        return Placed(host, chain_for(chains, key.hostname))

    def exact(key: HostKey, placed: Placed, _fetch: Fetch) -> Mapping[str, Resource]:
        if is_wildcard(key.hostname):
            return {}
        return resource(names.scope(key, placed.chain), routes.scope(placed.host, placed.chain))

    def wildcard(_entry: str, members: Members[Placed]) -> Resource:
        found = tuple(members)
        made = routes.wildcard_scope([each.host for each in found], found[0].chain)
        return resource(made.name, made)[made.name]

    def listeners(_key: Key, pod: ProxyPod, fetch: Fetch) -> Mapping[str, Resource]:
        made: dict[str, Resource] = {}
        streams = fetch(routing.streams, index=_proxy_of_stream, value=pod.proxy)
        for port in fetch(routing.ports, index=proxy_of_port, value=pod.proxy):
            if port.speaks == "udp":
                continue
            passed = [stream for stream in streams if (stream.key.port, stream.key.transport) == port.key[1:]]
            listener = config.listener(pod.uid, netns_path(pod.uid), port, passed)
            waits = (names.secret(each) for each in _secrets(port))
            made.update(resource(listener.name, listener, waits, scoped=port.scheme in ("http", "https")))
        return made

    def secret(key: Key, _used: bool, fetch: Fetch) -> Mapping[str, Resource]:
        pair = fetch.get(routing.pairs, key)
        if pair is None or pair.problem:
            return {}
        return resource(names.secret(key), tls.secret(key, pair))

    def chains(_key: PortKey, port: OpenPort, _fetch: Fetch) -> tuple[Chain, ...] | None:
        return port.chains or None

    # A port without TLS never has a value here, so a listener that joins it places no host anew.
    secure = derive("envoy.chains", routing.ports, chains)
    placed = derive("envoy.placed", routing.hosts, place)
    used: Collection[Key, bool] = group("envoy.used_secrets", [(routing.ports, _secrets)], lambda _key, _ports: True)

    return {
        CLUSTER: derive_many("envoy.clusters", routing.backends, made_clusters),
        ENDPOINTS: derive_many("envoy.endpoints", routing.backends, endpoints),
        LISTENER: derive_many("envoy.listeners", routing.pods, listeners),
        SCOPE: group(
            "envoy.scopes",
            [
                (derive_many("envoy.exact", placed, exact), _name),
                (group("envoy.wildcard", [(placed, _wildcards)], wildcard), _name),
            ],
            lambda _name, found: next(iter(found)),
        ),
        SECRET: derive_many("envoy.secrets", used, secret),
    }


def _proxy_of_pod(pod: ProxyPod) -> tuple[Key]:
    """Index of proxies' pods by proxy."""
    return (pod.proxy,)


def _proxy_of_stream(stream: Stream) -> tuple[Key]:
    """Index of streams by proxy."""
    return (stream.key.proxy,)


def _name(item: Resource) -> tuple[str]:
    return (item.name,)


def _wildcards(placed: Placed) -> tuple[str, ...]:
    """Index of virtual hosts by port or HTTPS listener, of those that are not exact."""
    key = placed.host.key
    return (names.entry(key.proxy, key.port, placed.chain),) if is_wildcard(key.hostname) else ()


def _secrets(port: OpenPort) -> tuple[Key, ...]:
    """Index of ports by the Secrets whose certificates they show."""
    return tuple(dict.fromkeys(each.secret for chain in port.chains for each in chain.certificates))
