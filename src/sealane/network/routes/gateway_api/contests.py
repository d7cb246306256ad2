"""HTTPRoutes and GRPCRoutes that want the same hostname of a listener: the older route has it, and a younger one of the
other kind is refused there.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), GRPCRouteSpec, hostnames: "the implementation MUST accept
exactly one of these two routes", by creationTimestamp, then by namespace/name. What is refused stands in nobody's way.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, NamedTuple

from sealane.kube.objects import Key
from sealane.network.routes import hosts
from sealane.network.routes.conditions import Condition
from sealane.network.routes.gateway_api.attachment import Age, Attached, age_of, attach
from sealane.network.routes.gateway_api.listeners import GatewayListener, ListenerKey
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch, derive, derive_many
from sealane.reactive.groups import Members, group

if TYPE_CHECKING:
    from sealane.network.routes.gateway_api.attachment import Route


class Place(NamedTuple):
    """A hostname of a listener."""

    listener: ListenerKey
    hostname: str


class Claim(NamedTuple):
    """A route at a listener."""

    listener: ListenerKey
    route: Key


Refused = Collection[Claim, Key]
"""The claims that are refused, each with the older route that is in the way."""


@dataclass(frozen=True, slots=True)
class Contender:
    """A route with the places that it would serve."""

    key: Key
    age: Age
    places: tuple[Place, ...]


def refused(sources: Sources, listeners: Collection[ListenerKey, GatewayListener]) -> Refused:
    """Costs nothing while there are no GRPCRoutes, and later what the routes that meet one of the other kind cost."""

    def contender(route: Route, fetch: Fetch) -> Contender | None:
        joined = [item for each in attach(route, sources, listeners, fetch) for item in each.joined]
        places = {Place(listener.key, name): None for listener, names in joined for name in names}
        return Contender(route.key, age_of(route), tuple(places)) if places else None

    grpc = derive("routes.contests.grpc", sources.grpc_routes, lambda _key, item, fetch: contender(item, fetch))
    mixed: Collection[bool, bool] = group(
        "routes.contests.mixed", [(grpc, lambda _item: (True,))], lambda _key, _members: True
    )
    http = derive(
        "routes.contests.http",
        sources.http_routes,
        lambda _key, item, fetch: contender(item, fetch) if fetch.get(mixed, True) else None,
    )
    met = [
        (derive("routes.contests.http_met", http, lambda _key, item, fetch: _met(item, grpc, fetch)), _listeners),
        (derive("routes.contests.grpc_met", grpc, lambda _key, item, fetch: _met(item, http, fetch)), _listeners),
    ]
    settled: Collection[ListenerKey, Mapping[Key, Key]] = group("routes.contests.settled", met, settle)
    return derive_many(
        "routes.contests.refused",
        settled,
        lambda listener, losers, _fetch: {Claim(listener, key): older for key, older in losers.items()},
    )


def _met(item: Contender, others: Collection[Key, Contender], fetch: Fetch) -> Contender | None:
    """The contender at the listeners where one of the others meets it."""
    at = {
        place.listener
        for place in item.places
        if fetch(others, index=_within, value=place)
        or any(fetch(others, index=_places, value=place._replace(hostname=name)) for name in _around(place.hostname))
    }
    return replace(item, places=tuple(place for place in item.places if place.listener in at)) if at else None


def _around(hostname: str) -> Iterable[str]:
    """Those that every request for `hostname` is one for, itself among them."""
    return dict.fromkeys(hosts.candidates(hostname))


def _listeners(item: Contender) -> Iterable[ListenerKey]:
    """Index of contenders by listener."""
    return {place.listener for place in item.places}


def _places(item: Contender) -> Iterable[Place]:
    """Index of contenders by place."""
    return item.places


def _within(item: Contender) -> Iterable[Place]:
    """Index of contenders by the places that one of theirs is within."""
    return {place._replace(hostname=name) for place in item.places for name in _around(place.hostname)}


def settle(listener: ListenerKey, members: Members[Contender] | Iterable[Contender]) -> Mapping[Key, Key] | None:
    """The losers at a listener, each with the older route of the other kind that it meets."""
    taken: dict[str, dict[str, Key]] = {"HTTPRoute": {}, "GRPCRoute": {}}
    within: dict[str, dict[str, Key]] = {"HTTPRoute": {}, "GRPCRoute": {}}
    losers: dict[Key, Key] = {}
    for item in sorted(members, key=lambda each: (each.age, each.key)):
        names = [place.hostname for place in item.places if place.listener == listener]
        other = "GRPCRoute" if item.key.kind == "HTTPRoute" else "HTTPRoute"
        met = [within[other].get(name) or _first(taken[other], _around(name)) for name in names]
        if older := next(filter(None, met), None):
            losers[item.key] = older
            continue
        for name in names:
            taken[item.key.kind].setdefault(name, item.key)
            for around in _around(name):
                within[item.key.kind].setdefault(around, item.key)
    return losers or None


def _first(found: Mapping[str, Key], names: Iterable[str]) -> Key | None:
    return next((found[name] for name in names if name in found), None)


def without_refused(route: Key, attached: Iterable[Attached], refused: Refused, fetch: Fetch) -> list[Attached]:
    """The parentRefs of a route with the listeners that are left to it; one with none left is not accepted."""
    found: list[Attached] = []
    for each in attached:
        older = {listener.key: fetch.get(refused, Claim(listener.key, route)) for listener, _ in each.joined}
        lost = {key: winner for key, winner in older.items() if winner is not None}
        if not lost:
            found.append(each)
            continue
        left = [(listener, names) for listener, names in each.joined if listener.key not in lost]
        text = "; ".join(
            f"listener {key.name}: {winner} is older and has a hostname of this route" for key, winner in lost.items()
        )
        accepted = (
            Condition("Accepted", True, "Accepted", f"attached, not to {text}")
            if left
            else Condition("Accepted", False, "HostnameConflict", text)
        )
        found.append(Attached(each.ref, accepted, left))
    return found
