"""Collections, derived collections and `fetch`.

A `Source` is filled from outside; a `Derived` is a pure function of another collection's values, which may fetch from
collections made before it. Changes travel in batches, in order of creation, so each derived collection is recomputed at
most once for each batch and sees only settled inputs. An output that comes out equal stops there.

    graph = Graph()
    pods, services = Source[Key, Object](graph, "pods"), Source[Key, Object](graph, "services")

    def endpoints(key: Key, service: Object, fetch: Fetch) -> Endpoints | None:
        return Endpoints(fetch(pods, namespace=service.namespace, selector=selector_of(service)))

    slices = derive("endpoints", services, endpoints)
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Any, Generic, Protocol, TypeVar

from sealane.kube.selectors import LabelSelector
from sealane.reactive.filters import ByIndex, ByKey, Dependents, Filter, Lookup, Reader, Selected, Selecting

__all__ = [
    "ByIndex",
    "ByKey",
    "Change",
    "Collection",
    "Derived",
    "Fetch",
    "Filter",
    "Graph",
    "Selected",
    "Selecting",
    "Source",
    "derive",
    "derive_many",
]

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
KO = TypeVar("KO", bound=Hashable)
VO = TypeVar("VO")

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Change(Generic[K, V]):
    """One key's step: old None is an addition, new None a removal."""

    key: K
    old: V | None
    new: V | None


class _Dependent(Protocol):
    """A collection downstream of another."""

    def _invalidate(self, key: Any, /) -> None: ...


class _Computed(Protocol):
    def _recompute(self) -> None: ...


class Graph:
    """Carries changes from sources through derived collections to subscribers. Single-threaded.

    on_error(collection name, input key, exception) is told when a function fails; that input then has no output.
    Without it, the failure is logged.
    """

    def __init__(self, on_error: Callable[[str, Hashable, Exception], None] | None = None) -> None:
        self._on_error = on_error
        self.collections: list[Collection[Any, Any]] = []
        """All of them, in the order in which they were made, which is that in which changes pass."""
        self._depth = 0
        self._dirty: list[tuple[int, _Computed]] = []
        self._changed: dict[int, Collection[Any, Any]] = {}
        self._settling = False

    @contextmanager
    def batch(self) -> Iterator[None]:
        """Changes inside the block travel together when the outermost block ends."""
        self._depth += 1
        try:
            yield
        finally:
            self._depth -= 1
            if self._depth == 0:
                self._settle()

    def _enlist(self, collection: Collection[Any, Any]) -> int:
        self.collections.append(collection)
        return len(self.collections)

    def _failed(self, name: str, key: Hashable, error: Exception) -> None:
        if self._on_error is not None:
            self._on_error(name, key, error)
        else:
            log.error("%s: %s failed: %s", name, key, error, exc_info=error)

    def _settle(self) -> None:
        if self._settling:
            return
        self._settling = True
        try:
            while self._dirty or self._changed:
                while self._dirty:
                    heappop(self._dirty)[1]._recompute()
                changed, self._changed = self._changed, {}
                for collection in changed.values():
                    collection._publish()
        finally:
            self._settling = False


class Collection(Generic[K, V]):
    """Values by key. Read it anywhere; change it only through a `Source`."""

    def __init__(self, graph: Graph, name: str) -> None:
        self.graph = graph
        self.name = name
        self._order = graph._enlist(self)
        self._values: dict[K, V] = {}
        self._derived: list[_Dependent] = []
        self._subscribers: list[Callable[[Sequence[Change[K, V]]], None]] = []
        self._pending: dict[K, V | None] = {}  # key -> value before this batch, for subscribers
        self._reader = Reader(lambda error: graph._failed(name, None, error))
        self._lookup: Lookup[K, V] = Lookup(self._values, self._reader)
        self._dependents: Dependents[Derived[Any, Any, Any, Any]] = Dependents(self._reader)

    def __len__(self) -> int:
        return len(self._values)

    def __contains__(self, key: object) -> bool:
        return key in self._values

    def __iter__(self) -> Iterator[K]:
        return iter(self._values)

    def get(self, key: K) -> V | None:
        return self._values.get(key)

    def values(self) -> Iterable[V]:
        return self._values.values()

    def items(self) -> Iterable[tuple[K, V]]:
        return self._values.items()

    def subscribe(
        self, receive: Callable[[Sequence[Change[K, V]]], None], *, replay: bool = True
    ) -> Callable[[], None]:
        """Calls `receive` with each batch's net changes, after all collections have settled.

        replay: first call it with what is there now, as additions. Returns the function that ends the subscription.
        An error in `receive` goes to the graph's on_error, key None, and keeps no other subscriber from being called.
        """
        if replay:
            # In the midst of a batch others have yet to hear of it: start from what they know, then hear it with them.
            known = {**self._values, **self._pending}
            told = [Change(key, None, value) for key, value in known.items() if value is not None]
            if told:
                receive(told)
        self._subscribers.append(receive)

        def unsubscribe() -> None:
            if receive in self._subscribers:
                self._subscribers.remove(receive)

        return unsubscribe

    @property
    def subscribers(self) -> int:
        """The number of subscribers."""
        return len(self._subscribers)

    def select(self, filter_: Filter | None) -> list[V]:
        """The values that `fetch` returns for `filter_`, sorted by key, without registering a dependency."""
        if filter_ is None:
            return [self._values[key] for key in sorted(self._values)]  # type: ignore[type-var]
        return self._lookup.find(filter_)

    # Change

    def _change(self, key: K, new: V | None) -> bool:
        """Stores `new`, keeps indexes, marks dependents. False when nothing changed."""
        old = self._values.get(key)
        if old is new or (old is not None and new is not None and old == new):
            return False
        if new is None:
            del self._values[key]
        else:
            self._values[key] = new
        self._lookup.changed(key, old, new)
        for derived in self._derived:
            derived._invalidate(key)
        for dependent, input_key in self._dependents.touched(key, old, new):
            dependent._invalidate(input_key)
        if self._subscribers:
            self._pending.setdefault(key, old)
            self.graph._changed[self._order] = self
        return True

    def _publish(self) -> None:
        pending, self._pending = self._pending, {}
        changes = [
            Change(key, old, new)
            for key, old in pending.items()
            if (new := self._values.get(key)) is not old and new != old
        ]
        if changes:
            for receive in list(self._subscribers):
                try:
                    receive(changes)
                except Exception as error:
                    self.graph._failed(f"subscriber of {self.name}", None, error)


class Source(Collection[K, V]):
    """A collection that is filled from outside."""

    def set(self, key: K, value: V) -> None:
        with self.graph.batch():
            self._change(key, value)

    def remove(self, key: K) -> None:
        with self.graph.batch():
            self._change(key, None)

    def replace(self, values: Mapping[K, V]) -> None:
        """Makes the collection hold exactly `values`, in one batch."""
        with self.graph.batch():
            for key in [key for key in self._values if key not in values]:
                self._change(key, None)
            for key, value in values.items():
                self._change(key, value)


class Fetch:
    """Handed to a derived function: reads other collections and remembers what was read."""

    __slots__ = ("_order", "_read")

    def __init__(self, order: int) -> None:
        self._order = order
        self._read: dict[tuple[Collection[Any, Any], Filter | None], None] = {}

    def __call__(
        self,
        collection: Collection[Any, V],
        *,
        namespace: str | None = None,
        selector: LabelSelector | None = None,
        index: Callable[[V], Iterable[Hashable]] | None = None,
        value: Hashable = None,
        selecting: Mapping[str, str] | None = None,
        selector_of: Callable[[V], LabelSelector | None] | None = None,
    ) -> list[V]:
        """Values of `collection`, sorted by key. One filter at a time:

        namespace and/or selector: values of that namespace whose labels the selector matches;
        index and value: values for which `index(v)` yields `value`. Give one function object, not a new lambda a call;
        selecting and selector_of (and namespace): values whose own selector matches these labels;
        nothing: all values.
        """
        filter_: Filter | None = None
        if index is not None:
            filter_ = ByIndex(index, value)
        elif selecting is not None:
            if selector_of is None:
                raise TypeError("selecting= needs selector_of=")
            filter_ = Selecting(selector_of, namespace, tuple(sorted(selecting.items())))
        elif namespace is not None or selector is not None:
            filter_ = Selected(namespace, selector or _EVERYTHING)
        self._note(collection, filter_)
        return collection.select(filter_)

    def get(self, collection: Collection[KO, V], key: KO) -> V | None:
        """The value at `key`, or None."""
        self._note(collection, ByKey(key))
        return collection._values.get(key)

    def _note(self, collection: Collection[Any, Any], filter_: Filter | None) -> None:
        if collection._order >= self._order:
            raise TypeError(f"fetch from {collection.name!r}: only collections made earlier can be fetched from")
        self._read[collection, filter_] = None


class Derived(Collection[KO, VO], Generic[K, V, KO, VO]):
    """Outputs of a pure function over `source`. Made by `derive` and `derive_many`."""

    def __init__(self, name: str, source: Collection[K, V], function: Callable[[K, V, Fetch], Mapping[KO, VO]]) -> None:
        super().__init__(source.graph, name)
        self._source = source
        self._function = function
        self._outputs: dict[K, Mapping[KO, VO]] = {}
        self._read: dict[K, dict[tuple[Collection[Any, Any], Filter | None], None]] = {}
        self._stale: dict[K, None] = {}
        self.recomputed = 0
        source._derived.append(self)
        for key in source:
            self._invalidate(key)
        if source.graph._depth == 0:
            source.graph._settle()

    @property
    def source(self) -> Collection[K, V]:
        return self._source

    def made(self) -> Iterator[tuple[K, Iterable[KO]]]:
        """Keys of inputs with the keys of their outputs."""
        yield from self._outputs.items()

    def read(self, key: K) -> Iterable[tuple[Collection[Any, Any], Filter | None]]:
        """The fetches of the function for the input `key`, in their order."""
        return self._read.get(key, {}).keys()

    def _invalidate(self, key: Any) -> None:
        if not self._stale:
            heappush(self.graph._dirty, (self._order, self))
        self._stale[key] = None

    def __lt__(self, other: Collection[Any, Any]) -> bool:
        return self._order < other._order

    def _recompute(self) -> None:
        stale, self._stale = self._stale, {}
        before: dict[KO, None] = {}
        after: dict[KO, VO] = {}
        for key in stale:
            value = self._source.get(key)
            outputs: Mapping[KO, VO] = {}
            fetch = Fetch(self._order)
            if value is not None:
                self.recomputed += 1
                try:
                    outputs = self._function(key, value, fetch)
                except Exception as error:
                    self.graph._failed(self.name, key, error)
            self._remember(key, fetch._read)
            for output in self._outputs.get(key, ()):
                before[output] = None
            after.update(outputs)
            if outputs:
                self._outputs[key] = outputs
            else:
                self._outputs.pop(key, None)
        for output in before:
            if output not in after:
                self._change(output, None)
        for output, result in after.items():
            self._change(output, result)

    def _remember(self, key: K, read: dict[tuple[Collection[Any, Any], Filter | None], None]) -> None:
        known = self._read.get(key, {})
        if read.keys() == known.keys():
            return
        dependent = (self, key)
        for collection, filter_ in known.keys() - read.keys():
            collection._dependents.discard(filter_, dependent)
        for collection, filter_ in read.keys() - known.keys():
            collection._dependents.add(filter_, dependent)
        if read:
            self._read[key] = read
        else:
            self._read.pop(key, None)


def derive(name: str, source: Collection[K, V], function: Callable[[K, V, Fetch], VO | None]) -> Derived[K, V, K, VO]:
    """One output (or none) for each input, under the same key."""

    def single(key: K, value: V, fetch: Fetch) -> Mapping[K, VO]:
        output = function(key, value, fetch)
        return {} if output is None else {key: output}

    return Derived(name, source, single)


def derive_many(
    name: str, source: Collection[K, V], function: Callable[[K, V, Fetch], Mapping[KO, VO]]
) -> Derived[K, V, KO, VO]:
    """Any number of outputs for each input. No two inputs may make the same output key."""
    return Derived(name, source, function)


_EVERYTHING = LabelSelector()
