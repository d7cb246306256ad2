"""The heart of the house: whatever the changes, the incremental result equals the result from scratch."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealane.kube.selectors import LabelSelector, Requirement
from sealane.reactive.collections import Change, Collection, Fetch, Graph, Source, derive, derive_many


@dataclass(frozen=True)
class Pod:
    name: str
    namespace: str
    labels: dict[str, str] = field(default_factory=dict)
    node: str = ""
    noise: int = 0  # a field nothing reads


@dataclass(frozen=True)
class Service:
    name: str
    namespace: str
    selector: LabelSelector | None
    labels: dict[str, str] = field(default_factory=dict)


Name = tuple[str, str]


def by_node(pod: Pod) -> Iterable[str]:
    return (pod.node,) if pod.node else ()


def selector_of(service: Service) -> LabelSelector | None:
    return service.selector


class Model:
    """Chained derived collections that use every kind of filter."""

    def __init__(self) -> None:
        self.graph = Graph()
        self.pods = Source[Name, Pod](self.graph, "pods")
        self.services = Source[Name, Service](self.graph, "services")
        self.nodes = Source[str, str](self.graph, "nodes")
        self.selected = derive("selected", self.services, self._selected)
        self.anywhere = derive("anywhere", self.services, self._anywhere)
        self.on_node = derive("on-node", self.nodes, self._on_node)
        self.services_of = derive("services-of", self.pods, self._services_of)
        self.members = derive_many("members", self.selected, self._members)
        self.crowd = derive("crowd", self.on_node, self._crowd)

    def _selected(self, key: Name, service: Service, fetch: Fetch) -> tuple[str, ...] | None:
        if service.selector is None:
            return None
        return tuple(p.name for p in fetch(self.pods, namespace=service.namespace, selector=service.selector))

    def _anywhere(self, key: Name, service: Service, fetch: Fetch) -> int:
        return len(fetch(self.pods, selector=service.selector or LabelSelector()))

    def _on_node(self, key: str, node: str, fetch: Fetch) -> tuple[str, ...]:
        return tuple(f"{p.namespace}/{p.name}" for p in fetch(self.pods, index=by_node, value=key))

    def _services_of(self, key: Name, pod: Pod, fetch: Fetch) -> tuple[str, ...]:
        found = fetch(self.services, selecting=pod.labels, selector_of=selector_of, namespace=pod.namespace)
        return tuple(s.name for s in found)

    def _members(self, key: Name, members: tuple[str, ...], fetch: Fetch) -> dict[tuple[str, str, str], str]:
        result = {}
        for name in members:
            pod = fetch.get(self.pods, (key[0], name))
            services = fetch.get(self.services_of, (key[0], name))
            result[(*key, name)] = f"{pod.node if pod else '?'} {services}"
        return result

    def _crowd(self, key: str, here: tuple[str, ...], fetch: Fetch) -> str:
        return f"{len(here)} of {len(fetch(self.pods))} in {len(fetch(self.pods, namespace='a'))}"

    def results(self) -> dict[str, dict[Any, Any]]:
        derived: list[Collection[Any, Any]] = [
            self.selected, self.anywhere, self.on_node, self.services_of, self.members, self.crowd,
        ]  # fmt: skip
        return {each.name: dict(each.items()) for each in derived}


names = st.sampled_from(["p0", "p1", "p2", "p3"])
namespaces = st.sampled_from(["a", "b"])
label_values = st.sampled_from(["x", "y"])
label_maps = st.dictionaries(st.sampled_from(["app", "tier"]), label_values, max_size=2)
requirements = st.one_of(
    st.builds(
        Requirement,
        st.sampled_from(["app", "tier"]),
        st.sampled_from(["In", "NotIn"]),
        st.lists(label_values, min_size=1, max_size=2, unique=True).map(tuple),
    ),
    st.builds(Requirement, st.sampled_from(["app", "tier"]), st.sampled_from(["Exists", "DoesNotExist"])),
)
selectors = st.none() | st.builds(LabelSelector, st.lists(requirements, max_size=2).map(tuple))
pods = st.builds(Pod, names, namespaces, label_maps, st.sampled_from(["", "n1", "n2"]), st.integers(0, 1))
services = st.builds(Service, names, namespaces, selectors)
steps = st.one_of(
    st.tuples(st.just("pod"), pods),
    st.tuples(st.just("no pod"), st.tuples(namespaces, names)),
    st.tuples(st.just("service"), services),
    st.tuples(st.just("no service"), st.tuples(namespaces, names)),
    st.tuples(st.just("node"), st.sampled_from(["n1", "n2"])),
    st.tuples(st.just("no node"), st.sampled_from(["n1", "n2"])),
    st.tuples(st.just("only pods"), st.lists(pods, max_size=3)),
)


def apply(model: Model, step: tuple[str, Any]) -> None:
    match step:
        case "pod", pod:
            model.pods.set((pod.namespace, pod.name), pod)
        case "no pod", key:
            model.pods.remove(key)
        case "service", service:
            model.services.set((service.namespace, service.name), service)
        case "no service", key:
            model.services.remove(key)
        case "node", name:
            model.nodes.set(name, name)
        case "no node", name:
            model.nodes.remove(name)
        case "only pods", several:
            model.pods.replace({(pod.namespace, pod.name): pod for pod in several})


@settings(max_examples=300, deadline=None)
@given(st.lists(st.lists(steps, min_size=1, max_size=4), max_size=12))
def test_incremental_equals_from_scratch(batches: list[list[tuple[str, Any]]]) -> None:
    model = Model()
    heard: dict[Any, Any] = {}

    def receive(changes: Iterable[Change[Any, Any]]) -> None:
        for change in changes:
            assert change.old == heard.get(change.key)
            assert change.old != change.new
            heard[change.key] = change.new
            if change.new is None:
                del heard[change.key]

    model.members.subscribe(receive)
    for batch in batches:
        with model.graph.batch():
            for step in batch:
                apply(model, step)
        assert heard == dict(model.members.items())

    scratch = Model()
    with scratch.graph.batch():
        scratch.pods.replace(dict(model.pods.items()))
        scratch.services.replace(dict(model.services.items()))
        scratch.nodes.replace(dict(model.nodes.items()))
    assert model.results() == scratch.results()


@settings(max_examples=50, deadline=None)
@given(st.lists(steps, max_size=30))
def test_when_all_inputs_are_gone_nothing_is_remembered(changes: list[tuple[str, Any]]) -> None:
    model = Model()
    for step in changes:
        apply(model, step)
    with model.graph.batch():
        model.pods.replace({})
        model.services.replace({})
        model.nodes.replace({})
    assert not any(model.results().values())
    for collection in (model.pods, model.services, model.services_of):
        assert not collection._dependents
        assert not collection._lookup._labels


def shop(services: int = 20, pods: int = 10) -> Model:
    model = Model()
    with model.graph.batch():
        for s in range(services):
            selector = LabelSelector.of_labels({"app": f"app-{s}"})
            model.services.set(("a", f"s{s}"), Service(f"s{s}", "a", selector))
            for p in range(pods):
                name = f"p{s}-{p}"
                model.pods.set(("a", name), Pod(name, "a", {"app": f"app-{s}"}))
    return model


def test_a_pod_touches_only_what_selects_it() -> None:
    model = shop()
    before = model.selected.recomputed
    model.pods.set(("a", "p3-0"), Pod("p3-0", "a", {"app": "app-3"}, node="n1"))
    assert model.selected.recomputed - before == 1
    # A change of label touches the Service it leaves and the one it joins.
    model.pods.set(("a", "p3-0"), Pod("p3-0", "a", {"app": "app-4"}, node="n1"))
    assert model.selected.recomputed - before == 3
    assert "p3-0" in (model.selected.get(("a", "s4")) or ())
    # Another namespace is another world.
    model.pods.set(("b", "p3-0"), Pod("p3-0", "b", {"app": "app-3"}))
    assert model.selected.recomputed - before == 3


def test_an_equal_output_stops_there() -> None:
    model = shop()
    before = model.members.recomputed
    selected = model.selected.recomputed
    told: list[object] = []
    model.selected.subscribe(told.append, replay=False)
    model.pods.set(("a", "new"), Pod("new", "a", {"app": "app-3"}))
    assert len(told) == 1
    model.pods.remove(("a", "new"))
    told.clear()
    after = model.members.recomputed
    with model.graph.batch():  # there and back again inside one batch
        model.pods.set(("a", "new"), Pod("new", "a", {"app": "app-3"}))
        model.pods.remove(("a", "new"))
    assert model.selected.recomputed > selected
    assert model.members.recomputed == after
    assert after - before == 2
    assert told == []


def test_a_filter_no_longer_read_is_let_go() -> None:
    graph = Graph()
    switch = Source[str, str](graph, "switch")
    values = Source[str, int](graph, "values")
    chosen = derive("chosen", switch, lambda key, name, fetch: fetch.get(values, name))
    values.set("one", 1)
    switch.set("s", "one")
    assert chosen.get("s") == 1
    switch.set("s", "two")
    assert list(values._dependents._key) == ["two"]
    before = chosen.recomputed
    values.set("one", 11)
    assert chosen.recomputed == before
    values.set("two", 2)
    assert chosen.get("s") == 2


def test_an_error_costs_one_output_and_is_told() -> None:
    told: list[tuple[str, object, str]] = []
    graph = Graph(on_error=lambda name, key, error: told.append((name, key, str(error))))
    numbers = Source[str, int](graph, "numbers")
    inverse = derive("inverse", numbers, lambda key, value, fetch: 1 / value)
    with graph.batch():
        numbers.set("two", 2)
        numbers.set("zero", 0)
    assert dict(inverse.items()) == {"two": 0.5}
    assert told == [("inverse", "zero", "division by zero")]
    numbers.set("zero", 4)
    assert inverse.get("zero") == 0.25


def test_a_failing_subscriber_keeps_no_other_from_hearing() -> None:
    told: list[str] = []
    graph = Graph(on_error=lambda name, key, error: told.append(name))
    numbers = Source[str, int](graph, "numbers")
    heard: list[object] = []

    def fail(changes: object) -> None:
        raise RuntimeError("no")

    numbers.subscribe(fail)
    numbers.subscribe(heard.append)
    numbers.set("a", 1)
    assert heard == [[Change("a", None, 1)]]
    assert told == ["subscriber of numbers"]


def test_a_selector_that_cannot_be_read_selects_nothing_and_harms_nobody() -> None:
    told: list[str] = []
    graph = Graph(on_error=lambda name, key, error: told.append(name))
    sources = Source[Name, Service](graph, "services")

    def of(service: Service) -> LabelSelector | None:
        if service.name == "bad":
            raise ValueError("no operator")
        return service.selector

    pods = Source[Name, Pod](graph, "pods")
    found = derive("found", pods, lambda key, pod, fetch: len(fetch(sources, selecting=pod.labels, selector_of=of)))
    pods.set(("a", "p"), Pod("p", "a", {"app": "x"}))
    sources.set(("a", "bad"), Service("bad", "a", LabelSelector()))
    sources.set(("a", "good"), Service("good", "a", LabelSelector()))
    assert found.get(("a", "p")) == 1
    assert set(told) == {"services"}


def test_a_subscriber_may_change_sources() -> None:
    graph = Graph()
    wanted, made = Source[str, int](graph, "wanted"), Source[str, int](graph, "made")
    total = derive("total", wanted, lambda key, value, fetch: value + (fetch.get(made, key) or 0))

    def make(changes: Iterable[Change[str, int]]) -> None:
        for change in changes:
            if change.new is not None:
                made.set(change.key, 10 * change.new)

    wanted.subscribe(make)
    wanted.set("a", 2)
    assert total.get("a") == 22


def test_who_subscribes_in_the_midst_of_a_batch_hears_each_change_once() -> None:
    graph = Graph()
    numbers = Source[str, int](graph, "numbers")
    numbers.subscribe(lambda changes: None)
    numbers.set("a", 1)
    heard: list[Change[str, int]] = []
    with graph.batch():
        numbers.set("a", 2)
        numbers.subscribe(heard.extend)
        numbers.set("b", 3)
    assert heard == [Change("a", None, 1), Change("a", 1, 2), Change("b", None, 3)]


def test_fetching_from_a_later_collection_is_refused() -> None:
    errors: list[Exception] = []
    graph = Graph(on_error=lambda name, key, error: errors.append(error))
    first = Source[str, int](graph, "first")
    early = derive("early", first, lambda key, value, fetch: len(fetch(later)))
    later = Source[str, int](graph, "later")
    first.set("a", 1)
    assert early.get("a") is None
    with pytest.raises(TypeError, match="'later'"):
        raise errors[0]
