"""Plays: what Envoy says and what changes go in, what is sent comes out."""

from __future__ import annotations

from collections.abc import Iterable

from sealane.dataplane.envoy.delta import DeltaStream, Request, Response
from sealane.dataplane.envoy.resources import CLUSTER, ENDPOINTS, LISTENER, SCOPE, Resource
from sealane.reactive.collections import Graph, Source

TYPES = {"c": CLUSTER, "e": ENDPOINTS, "l": LISTENER, "s": SCOPE}


class Play:
    """Resources are named "c:cart@1": type, name, version."""

    def __init__(self, *there: str) -> None:
        graph = Graph()
        self.resources: dict[str, Source[str, Resource]] = {url: Source(graph, url) for url in TYPES.values()}
        self.sent: list[Response] = []
        self.stream = DeltaStream(self.resources)
        self.put(*there)

    def put(self, *items: str) -> None:
        for item in items:
            kind, name, version = item[0], *item[2:].split("@")
            self.resources[TYPES[kind]].set(name, Resource(name, version, b""))
            self.stream.changed(TYPES[kind], [name])

    def drop(self, *items: str) -> None:
        for item in items:
            self.resources[TYPES[item[0]]].remove(item[2:])
            self.stream.changed(TYPES[item[0]], [item[2:]])

    def ask(self, kind: str, *names: str, has: Iterable[str] = (), gone: Iterable[str] = ()) -> None:
        self.stream.receive(
            Request(
                type_url=TYPES[kind],
                resource_names_subscribe=names,
                resource_names_unsubscribe=gone,
                initial_resource_versions=dict(item.split("@") for item in has),
            )
        )

    def flush(self) -> list[str]:
        """What is sent now: "c:cart@1" or "-c:cart"."""
        out: list[str] = []
        for response in self.stream.responses():
            self.sent.append(response)
            kind = next(kind for kind, url in TYPES.items() if url == response.type_url)
            out += [f"{kind}:{item.name}@{item.version}" for item in response.resources]
            out += [f"-{kind}:{name}" for name in response.removed_resources]
            out += [] if response.resources or response.removed_resources else [f"{kind}:"]
        return out

    def ack(self, *, refuse: str = "") -> None:
        """Envoy answers everything sent so far; responses with the resource `refuse` it refuses."""
        for response in self.sent:
            request = Request(type_url=response.type_url, response_nonce=response.nonce)
            if refuse in [item.name for item in response.resources]:
                request.error_detail.message = "no"
            self.stream.receive(request)
        self.sent.clear()


def connected(*there: str) -> Play:
    """An Envoy that has everything."""
    play = Play(*there)
    play.ask("c")
    play.ask("l")
    play.flush()
    play.ask("e", *play.resources[CLUSTER])
    play.flush()
    play.ack()
    play.flush()
    play.ask("s", "*")
    play.flush()
    play.ack()
    assert play.flush() == []
    return play


def test_first_connection_clusters_endpoints_listeners_scopes() -> None:
    play = Play("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play.ask("c")
    play.ask("l")
    assert play.flush() == ["c:cart@1"]
    play.ask("e", "cart")
    assert play.flush() == ["e:cart@1"]
    play.ack()
    assert play.flush() == ["l:web@1"]
    assert play.stream.listening == set()
    play.ack()
    play.ask("s", "*")
    assert play.flush() == ["s:shop@1"]
    assert play.stream.listening == set()
    play.ack()
    assert play.stream.listening == {"web"}
    assert play.flush() == []


def test_nothing_there_is_an_empty_answer() -> None:
    play = Play()
    play.ask("c")
    play.ask("l")
    assert play.flush() == ["c:", "l:"]
    assert play.flush() == []


def test_a_new_host_of_a_known_backend_goes_out_at_once() -> None:
    play = connected("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play.put("s:new@1")
    assert play.flush() == ["s:new@1"]
    play.put("e:cart@2")
    assert play.flush() == ["e:cart@2"]


def test_a_scope_waits_until_its_new_cluster_has_endpoints() -> None:
    play = connected("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play.put("s:new@1", "c:front@1", "e:front@1")
    assert play.flush() == ["c:front@1"]
    play.ack()
    assert play.flush() == []
    play.ask("e", "front")
    assert play.flush() == ["e:front@1"]
    assert play.flush() == []
    play.ack()
    assert play.flush() == ["s:new@1"]


def test_a_cluster_goes_after_the_scopes_that_named_it() -> None:
    play = connected("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play.drop("s:shop", "c:cart", "e:cart")
    assert play.flush() == ["-s:shop"]
    assert play.flush() == []
    play.ack()
    assert play.flush() == ["-c:cart"]


def test_a_cluster_that_changes_gets_its_endpoints_again() -> None:
    play = connected("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play.put("c:cart@2")
    assert play.flush() == ["c:cart@2", "e:cart@1"]
    play.put("s:shop@2")
    assert play.flush() == []
    play.ack()
    assert play.flush() == ["s:shop@2"]


def test_a_refused_cluster_holds_nothing_up() -> None:
    play = connected("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play.put("c:bad@1", "s:new@1")
    assert play.flush() == ["c:bad@1"]
    play.ack(refuse="bad")
    assert play.flush() == ["s:new@1"]


def test_a_refused_scope_is_set_apart_from_the_good_ones() -> None:
    play = connected("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play.put("s:a@1", "s:b@1", "s:bad@1", "s:d@1")
    accepted: set[str] = set()
    for _ in range(4):
        found = play.flush()
        refused = {name for response in play.sent for name in (item.name for item in response.resources)}
        for response in play.sent:
            names = {item.name for item in response.resources}
            accepted |= names if "bad" not in names else set()
        play.ack(refuse="bad")
    assert accepted == {"a", "b", "d"}
    assert found == []
    assert not refused
    play.put("s:bad@2")
    assert play.flush() == ["s:bad@2"]


def test_after_a_reconnect_only_differences_are_sent() -> None:
    play = Play("c:cart@1", "e:cart@2", "l:web@1", "s:shop@1", "s:new@1")
    play.ask("c", "*", has=["cart@1"])
    play.ask("e", "cart", has=["cart@1"])
    play.ask("l", "*", has=["web@1", "old@1"])
    play.ask("s", "*", has=["shop@1"])
    assert play.flush() == ["c:", "e:cart@2", "-l:old", "s:new@1"]
    play.ack()
    assert play.stream.listening == {"web"}


def test_scopes_are_forgotten_with_the_last_listener() -> None:
    play = connected("c:cart@1", "e:cart@1", "l:web@1", "s:shop@1")
    play.drop("l:web")
    assert play.flush() == ["-l:web"]
    assert play.stream.listening == set()
    play.ack()
    play.ask("s", gone=["*"])
    play.put("s:new@1")
    assert play.flush() == []
    play.ask("s", "*")
    assert play.flush() == ["s:shop@1", "s:new@1"]
