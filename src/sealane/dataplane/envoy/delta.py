"""The delta xDS protocol of one Envoy connection, without I/O: requests and changes go in, responses come out.

Source: https://www.envoyproxy.io/docs/envoy/latest/api-docs/xds_protocol ("Incremental xDS", "Eventual consistency
considerations"). Order makes every update safe to take under load: secrets, clusters and their endpoints first,
listeners and scopes that may name them only when those are there, and clusters that nothing names any more last.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import islice
from typing import TypeAlias

from envoy.service.discovery.v3 import discovery_pb2
from google.protobuf import any_pb2

from sealane.dataplane.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, SCOPE, SECRET, Resources
from sealane.dataplane.envoy.routes import renamed

log = logging.getLogger(__name__)

Request: TypeAlias = discovery_pb2.DeltaDiscoveryRequest
Response: TypeAlias = discovery_pb2.DeltaDiscoveryResponse

CHUNK = 1000
"""Most resources in one response."""


@dataclass(slots=True)
class _Type:
    """The resources of one type that this Envoy wants and has.

    names: its subscriptions, None for everything. sent: version of each resource that it has or that is under way.
    dirty: names to compare with the collection. unacked: names in each response that it has not answered yet.
    halves: parts of a refused response, to be sent apart. owed: it waits for a first response, even an empty one.
    """

    names: set[str] | None
    sent: dict[str, str]
    dirty: dict[str, None]
    unacked: dict[str, tuple[str, ...]] = field(default_factory=dict)
    halves: list[tuple[str, ...]] = field(default_factory=list)
    owed: bool = True
    acked: bool = False

    def wants(self, name: str) -> bool:
        return self.names is None or name in self.names


class DeltaStream:
    """One ADS stream. Feed it with `receive` and `changed`; send what `responses` gives, in that order."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._types: dict[str, _Type] = {}
        self._nonce = 0
        self._warming: set[str] = set()  # clusters sent whose endpoints have not been acknowledged
        self.listening: set[str] = set()

    def changed(self, type_url: str, names: Iterable[str]) -> None:
        """These resources were added, changed or removed."""
        state = self._types.get(type_url)
        if state is not None:
            state.dirty.update((name, None) for name in names if state.wants(name))

    def receive(self, request: Request) -> None:
        type_url = request.type_url
        if type_url not in self._resources:
            log.warning("Envoy asks for %s, which is not served", type_url)
            return
        state = self._types.get(type_url)
        if state is None:
            state = self._types[type_url] = self._subscribed(request)
        else:
            self._resubscribed(state, type_url, request)
        if request.response_nonce:
            self._answered(state, request)

    def _subscribed(self, request: Request) -> _Type:
        """The first request of a type. After a reconnect it says what Envoy still has."""
        wanted = set(request.resource_names_subscribe) - {"*"}
        everything = not request.resource_names_subscribe or "*" in request.resource_names_subscribe
        sent = dict(request.initial_resource_versions)
        current = self._resources[request.type_url]
        dirty = dict.fromkeys((*sent, *current)) if everything else dict.fromkeys((*sent, *sorted(wanted)))
        return _Type(None if everything else wanted, sent, dirty)

    def _resubscribed(self, state: _Type, type_url: str, request: Request) -> None:
        for name in request.resource_names_unsubscribe:
            if name == "*":
                # The last listener went: nothing is wanted until something is subscribed to again.
                state.names = set()
                state.sent.clear()
                state.dirty.clear()
                continue
            state.sent.pop(name, None)
            state.dirty.pop(name, None)
            if state.names is not None:
                state.names.discard(name)
        for name in request.resource_names_subscribe:
            if name == "*":
                state.names = None
                state.owed = True
                state.dirty.update(dict.fromkeys(self._resources[type_url]))
                continue
            if state.names is not None:
                state.names.add(name)
            # "the server must resend": Envoy may have dropped what it had.
            state.sent.pop(name, None)
            state.dirty[name] = None

    def _answered(self, state: _Type, request: Request) -> None:
        names = state.unacked.pop(request.response_nonce, ())
        if request.HasField("error_detail"):
            self._refused(state, request, names)
            return
        state.acked = True
        if request.type_url == ENDPOINTS:
            self._warming.difference_update(names)
        # A listener of HTTP accepts connections once it has had its first scopes; Envoy asks for none without one.
        listeners, scopes = self._types.get(LISTENER), self._types.get(SCOPE)
        if listeners is not None and (scopes is None or (scopes.acked and not scopes.unacked)):
            under_way = {name for names in listeners.unacked.values() for name in names}
            has = self._secrets()
            self.listening = {
                name
                for name in listeners.sent
                if name not in under_way
                and (found := self._resources[LISTENER].get(name)) is not None
                and has.issuperset(found.secrets)
                and (scopes is not None or not found.scoped)
            }

    def _secrets(self) -> set[str]:
        """Those that Envoy has. A listener warms up until it has all of its own."""
        state = self._types.get(SECRET)
        if state is None:
            return set()
        return set(state.sent).difference(*state.unacked.values())

    def _refused(self, state: _Type, request: Request, names: tuple[str, ...]) -> None:
        """Envoy refuses a response whole, for one bad resource in it: the halves are sent again, until it stands alone.

        A refused resource is not sent again before it changes.
        """
        if len(names) > 1:
            state.halves += [names[: len(names) // 2], names[len(names) // 2 :]]
            return
        log.error("Envoy refuses %s: %s", ", ".join(names) or request.type_url, request.error_detail.message)
        if request.type_url == CLUSTER:
            self._warming.difference_update(names)

    def responses(self) -> Iterator[Response]:
        """The responses that can be sent now."""
        yield from self._flush(SECRET)
        yield from self._flush(CLUSTER, removals=False)
        yield from self._flush(ENDPOINTS)
        if self._warming:
            return
        yield from self._flush(LISTENER)
        yield from self._flush(SCOPE)
        if not any(self._busy(type_url) for type_url in (LISTENER, SCOPE)):
            yield from self._flush(CLUSTER)

    def _busy(self, type_url: str) -> bool:
        state = self._types.get(type_url)
        return state is not None and bool(state.dirty or state.unacked or state.halves)

    def _flush(self, type_url: str, *, removals: bool = True) -> Iterator[Response]:
        state = self._types.get(type_url)
        if state is None:
            return
        halves, state.halves = state.halves, []
        for half in halves:
            yield self._response(type_url, state, half, [], again=True)
        current = self._resources[type_url]
        changed: list[str] = []
        removed: list[str] = []
        for name in list(state.dirty):
            found = current.get(name)
            if found is not None:
                if state.sent.get(name) != found.version:
                    changed.append(name)
            elif name in state.sent and type_url not in (ENDPOINTS, SECRET):  # which go with their cluster or listener
                if not removals:
                    continue
                removed.append(name)
            del state.dirty[name]
        if not (changed or removed or state.owed):
            return
        state.owed = False
        remaining = iter(changed)
        while True:
            chunk = list(islice(remaining, CHUNK))
            yield self._response(type_url, state, chunk, removed)
            removed = []
            if len(chunk) < CHUNK:
                return

    def _response(
        self, type_url: str, state: _Type, changed: Sequence[str], removed: Sequence[str], *, again: bool = False
    ) -> Response:
        self._nonce += 1
        response = Response(type_url=type_url, nonce=str(self._nonce))
        for name in changed:
            found = self._resources[type_url].get(name)
            if found is None:  # gone since it was refused
                state.sent.pop(name, None)
                removed = [*removed, name]
                continue
            if type_url == CLUSTER:
                self._expect_endpoints(name)
            state.sent[name] = found.version
            value = renamed(found.body, response.nonce) if again and type_url == SCOPE else found.body
            body = any_pb2.Any(type_url=type_url, value=value)
            response.resources.append(discovery_pb2.Resource(name=name, version=found.version, resource=body))
        response.removed_resources.extend(removed)
        for name in removed:
            state.sent.pop(name, None)
            self._warming.discard(name)
            self.listening.discard(name)
        state.unacked[response.nonce] = (*changed, *removed)
        return response

    def _expect_endpoints(self, cluster: str) -> None:
        """A cluster that is added or replaced stays cold until it gets its endpoints (again)."""
        self._warming.add(cluster)
        endpoints = self._types.get(ENDPOINTS)
        if endpoints is not None and endpoints.wants(cluster):
            endpoints.sent.pop(cluster, None)
            endpoints.dirty[cluster] = None
