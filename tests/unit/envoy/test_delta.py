"""Plays: what Envoy says and what changes go in, what is sent comes out."""

from __future__ import annotations

from collections.abc import Iterator

from play import Play
from sealane.dataplane.envoy.delta import DeltaStream, Request, Response
from sealane.dataplane.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, SCOPE, Resource
from sealane.reactive.collections import Graph, Source

TYPES = {"c": CLUSTER, "e": ENDPOINTS, "l": LISTENER, "s": SCOPE}


class Envoy(Play):
    """A stream to one Envoy. Resources are named "c:cart@1": type, name, version.

    Events are lines: "put RESOURCE…" and "drop TYPE:NAME…" change what there is; "ask TYPE NAME… has NAME@VERSION… gone
    NAME…" is a request; "ack" answers all that was sent so far, and "refuse NAME" refuses what holds that one; "wait"
    is nothing.
    The listener "tcp" is the only one that needs no scopes.
    What comes out is "c:cart@1" for each resource that is sent, "-c:cart" for one that is removed, "c:" for none.
    """

    def __init__(self, *there: str) -> None:
        super().__init__(self._answer)
        graph = Graph()
        self.resources: dict[str, Source[str, Resource]] = {url: Source(graph, url) for url in TYPES.values()}
        self.sent: list[Response] = []
        self.stream = DeltaStream(self.resources)
        self._put(*there)

    def _answer(self, line: str) -> Iterator[str]:
        verb, *words = line.split()
        if verb != "wait":
            {"put": self._put, "drop": self._drop, "ask": self._ask, "ack": self._ack, "refuse": self._ack}[verb](
                *words
            )
        for response in self.stream.responses():
            self.sent.append(response)
            kind = next(kind for kind, url in TYPES.items() if url == response.type_url)
            yield from (f"{kind}:{item.name}@{item.version}" for item in response.resources)
            yield from (f"-{kind}:{name}" for name in response.removed_resources)
            if not response.resources and not response.removed_resources:
                yield f"{kind}:"

    def _put(self, *items: str) -> None:
        for item in items:
            kind, name, version = item[0], *item[2:].split("@")
            self.resources[TYPES[kind]].set(name, Resource(name, version, b"", scoped=kind == "l" and name != "tcp"))
            self.stream.changed(TYPES[kind], [name])

    def _drop(self, *items: str) -> None:
        for item in items:
            self.resources[TYPES[item[0]]].remove(item[2:])
            self.stream.changed(TYPES[item[0]], [item[2:]])

    def _ask(self, kind: str, *words: str) -> None:
        said: dict[str, list[str]] = {"names": [], "has": [], "gone": []}
        part = "names"
        for word in words:
            part = word if word in said else part
            said[part] += [word] if word not in said else []
        request = Request(type_url=TYPES[kind], initial_resource_versions=dict(item.split("@") for item in said["has"]))
        request.resource_names_subscribe.extend(said["names"])
        request.resource_names_unsubscribe.extend(said["gone"])
        self.stream.receive(request)

    def _ack(self, refused: str = "") -> None:
        for response in self.sent:
            request = Request(type_url=response.type_url, response_nonce=response.nonce)
            if refused in [item.name for item in response.resources]:
                request.error_detail.message = "no"
            self.stream.receive(request)
        self.sent.clear()


def connected() -> Envoy:
    """An Envoy that has everything: a cluster with its endpoints, a listener, a scope."""
    play = Envoy("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play >> "ask c" >> "ask l" >> "ask e cart" >> "ack" >> "ask s *" << "s:shop@1" >> "ack" << []
    return play


def test_first_connection_clusters_endpoints_listeners_scopes() -> None:
    play = Envoy("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play >> "ask c" << "c:cart@1" >> "ask l" << []
    play >> "ask e cart" << "e:cart@1"
    play >> "ack" << "l:web@1"
    assert play.stream.listening == set()
    play >> "ack" << [] >> "ask s *" << "s:shop@1"
    assert play.stream.listening == set()
    play >> "ack" << []
    assert play.stream.listening == {"web"}


def test_a_listener_without_http_needs_no_scopes() -> None:
    play = Envoy("l:tcp@1", "l:web@1")
    play >> "ask l" << ["l:tcp@1", "l:web@1"]
    assert play.stream.listening == set()
    play >> "ack" << []
    assert play.stream.listening == {"tcp"}


def test_nothing_there_is_an_empty_answer() -> None:
    play = Envoy()
    play >> "ask c" << "c:" >> "ask l" << "l:" >> "wait" << []


def test_a_new_host_of_a_known_backend_goes_out_at_once() -> None:
    play = connected()
    play >> "put s:new@1" << "s:new@1"
    play >> "put e:cart@2" << "e:cart@2"


def test_a_scope_waits_until_its_new_cluster_has_endpoints() -> None:
    play = connected()
    play >> "put s:new@1 c:front@1 e:front@1" << "c:front@1"
    play >> "ack" << []
    play >> "ask e front" << "e:front@1"
    play >> "wait" << []
    play >> "ack" << "s:new@1"


def test_a_cluster_goes_after_the_scopes_that_named_it() -> None:
    play = connected()
    play >> "drop s:shop c:cart e:cart" << "-s:shop"
    play >> "wait" << []
    play >> "ack" << "-c:cart"


def test_a_cluster_that_changes_gets_its_endpoints_again() -> None:
    play = connected()
    play >> "put c:cart@2" << ["c:cart@2", "e:cart@1"]
    play >> "put s:shop@2" << []
    play >> "ack" << "s:shop@2"


def test_a_refused_cluster_holds_nothing_up() -> None:
    play = connected()
    play >> "put c:bad@1 s:new@1" << "c:bad@1"
    play >> "refuse bad" << "s:new@1"


def test_a_refused_scope_is_set_apart_from_the_good_ones() -> None:
    play = connected()
    play >> "put s:a@1 s:b@1 s:bad@1 s:d@1" << ["s:a@1", "s:b@1", "s:bad@1", "s:d@1"]
    play >> "refuse bad" << ["s:a@1", "s:b@1", "s:bad@1", "s:d@1"]  # in halves
    play >> "refuse bad" << ["s:bad@1", "s:d@1"]
    play >> "refuse bad" << []
    play >> "put s:bad@2" << "s:bad@2"


def test_after_a_reconnect_only_differences_are_sent() -> None:
    play = Envoy("c:cart@1", "e:cart@2", "l:web@1", "s:shop@1", "s:new@1")
    play >> "ask c * has cart@1" << "c:" >> "ask e cart has cart@1" << "e:cart@2"
    play >> "ask l * has web@1 old@1" << "-l:old" >> "ask s * has shop@1" << "s:new@1"
    play >> "ack"
    assert play.stream.listening == {"web"}


def test_scopes_are_forgotten_with_the_last_listener() -> None:
    play = connected()
    play >> "drop l:web" << "-l:web"
    assert play.stream.listening == set()
    play >> "ack" >> "ask s gone *" >> "put s:new@1" << []
    play >> "ask s *" << ["s:shop@1", "s:new@1"]
