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


@dataclass(frozen=True, slots=True)
class ByKey:
    key: Hashable


@dataclass(frozen=True, slots=True)
class ByIndex:
    index: Callable[[Any], Iterable[Hashable]]
    value: Hashable


@dataclass(frozen=True, slots=True)
class Selected:
    """Values of `namespace` (None: any) whose labels `selector` matches."""

    namespace: str | None
    selector: LabelSelector


@dataclass(frozen=True, slots=True)
class Selecting:
    """Values of `namespace` (None: any) whose own selector, read by `selector_of`, matches these labels."""

    selector_of: Callable[[Any], LabelSelector | None]
    namespace: str | None
    labels: tuple[tuple[str, str], ...]


Filter = ByKey | ByIndex | Selected | Selecting
Anchor = tuple[str | None, tuple[str, str] | None]
Dependent = tuple["Derived[Any, Any, Any, Any]", Hashable]


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
        self._count = 0
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

    def _enlist(self) -> int:
        self._count += 1
        return self._count

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
        self._order = graph._enlist()
        self._values: dict[K, V] = {}
        self._derived: list[_Dependent] = []
        self._subscribers: list[Callable[[Sequence[Change[K, V]]], None]] = []
        self._pending: dict[K, V | None] = {}  # key -> value before this batch, for subscribers
        # Indexes are built when first asked for and kept from then on.
        self._indexes: dict[Callable[[Any], Iterable[Hashable]], dict[Hashable, set[K]]] = {}
        self._by_label: dict[Anchor, set[K]] | None = None
        self._by_selector: dict[Callable[[Any], LabelSelector | None], dict[Anchor, set[K]]] = {}
        # Who must be recomputed when a value changes.
        self._on_all: set[Dependent] = set()
        self._on_key: dict[Hashable, set[Dependent]] = {}
        self._on_index: dict[Callable[[Any], Iterable[Hashable]], dict[Hashable, set[Dependent]]] = {}
        self._on_selected: dict[Anchor, dict[Selected, set[Dependent]]] = {}
        self._on_selecting: dict[
            Callable[[Any], LabelSelector | None], dict[Anchor, dict[Selecting, set[Dependent]]]
        ] = {}

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
        An error in `receive` goes to the graph's on_error, key None, and keeps nobody else from being called.
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

    def select(self, filter_: Filter | None) -> list[V]:
        """What `fetch` returns for `filter_`, sorted by key, without registering a dependency."""
        keys: Iterable[K]
        match filter_:
            case None:
                keys = self._values
            case ByKey(key):
                found = self._values.get(key)  # type: ignore[arg-type]
                return [] if found is None else [found]
            case ByIndex(index, value):
                keys = self._index(index).get(value, ())
            case Selected(namespace, selector):
                anchored = self._labels().get((namespace, selector.anchor), ())
                values = self._values
                keys = [key for key in anchored if selector.matches(values[key].labels)]  # type: ignore[attr-defined]
            case Selecting(selector_of, namespace, labels):
                plain = dict(labels)
                by_anchor = self._selectors(selector_of)
                candidates = set(by_anchor.get((namespace, None), ()))
                for pair in labels:
                    candidates |= by_anchor.get((namespace, pair), set())
                keys = [
                    key
                    for key in candidates
                    if (own := self._own(selector_of, self._values[key])) is not None and own.matches(plain)
                ]
        values = self._values
        return [values[key] for key in sorted(keys)]  # type: ignore[type-var]

    # Indexes

    def _index(self, index: Callable[[Any], Iterable[Hashable]]) -> dict[Hashable, set[K]]:
        known = self._indexes.get(index)
        if known is None:
            known = self._indexes[index] = {}
            for key, value in self._values.items():
                for entry in self._indexed(index, value):
                    known.setdefault(entry, set()).add(key)
        return known

    def _labels(self) -> dict[Anchor, set[K]]:
        if self._by_label is None:
            self._by_label = {}
            for key, value in self._values.items():
                _move(self._by_label, key, (), _label_anchors(value))
        return self._by_label

    def _selectors(self, selector_of: Callable[[Any], LabelSelector | None]) -> dict[Anchor, set[K]]:
        known = self._by_selector.get(selector_of)
        if known is None:
            known = self._by_selector[selector_of] = {}
            for key, value in self._values.items():
                _move(known, key, (), self._selector_anchors(selector_of, value))
        return known

    def _indexed(self, index: Callable[[Any], Iterable[Hashable]], value: V | None) -> set[Hashable]:
        """What `index` says of one value. A value that makes it fail is not found by that index."""
        if value is None:
            return set()
        try:
            return set(index(value))
        except Exception as error:
            self.graph._failed(self.name, None, error)
            return set()

    def _own(self, selector_of: Callable[[Any], LabelSelector | None], value: V | None) -> LabelSelector | None:
        """The selector that `value` carries. One that cannot be read selects nothing."""
        if value is None:
            return None
        try:
            return selector_of(value)
        except Exception as error:
            self.graph._failed(self.name, None, error)
            return None

    def _selector_anchors(self, selector_of: Callable[[Any], LabelSelector | None], value: V | None) -> list[Anchor]:
        own = self._own(selector_of, value)
        return [] if own is None else [(None, own.anchor), (value.namespace, own.anchor)]  # type: ignore[union-attr]

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
        for index, entries in self._indexes.items():
            _move(entries, key, self._indexed(index, old), self._indexed(index, new))
        if self._by_label is not None:
            _move(self._by_label, key, _label_anchors(old), _label_anchors(new))
        for selector_of, anchors in self._by_selector.items():
            _move(anchors, key, self._selector_anchors(selector_of, old), self._selector_anchors(selector_of, new))
        self._mark(key, old, new)
        if self._subscribers:
            self._pending.setdefault(key, old)
            self.graph._changed[self._order] = self
        return True

    def _mark(self, key: K, old: V | None, new: V | None) -> None:
        for derived in self._derived:
            derived._invalidate(key)
        for derived, input_key in self._on_all:
            derived._invalidate(input_key)
        for derived, input_key in self._on_key.get(key, ()):
            derived._invalidate(input_key)
        for index, entries in self._on_index.items():
            for entry in self._indexed(index, old) | self._indexed(index, new):
                for derived, input_key in entries.get(entry, ()):
                    derived._invalidate(input_key)
        if self._on_selected:
            for value in (old, new):
                for anchor in _label_anchors(value):
                    for selected, dependents in self._on_selected.get(anchor, _NONE).items():
                        if selected.selector.matches(value.labels):  # type: ignore[union-attr]
                            for derived, input_key in dependents:
                                derived._invalidate(input_key)
        for selector_of, by_anchor in self._on_selecting.items():
            for value in (old, new):
                own = self._own(selector_of, value)
                if own is None:
                    continue
                for anchor in self._selector_anchors(selector_of, value):
                    for selecting, dependents in by_anchor.get(anchor, _NONE).items():
                        if own.matches(dict(selecting.labels)):
                            for derived, input_key in dependents:
                                derived._invalidate(input_key)

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

    # Dependencies

    def _depend(self, filter_: Filter | None, dependent: Dependent) -> None:
        for dependents in self._registers(filter_):
            dependents.add(dependent)

    def _release(self, filter_: Filter | None, dependent: Dependent) -> None:
        for dependents in self._registers(filter_):
            dependents.discard(dependent)
        # Empty entries go, so that a long life does not gather filters nobody asks for any more.
        match filter_:
            case ByKey(key):
                _prune(self._on_key, key)
            case ByIndex(index, value):
                _prune(self._on_index[index], value)
            case Selected(namespace, selector):
                anchor: Anchor = (namespace, selector.anchor)
                _prune(self._on_selected[anchor], filter_)
                _prune(self._on_selected, anchor)
            case Selecting(selector_of, namespace, labels):
                by_anchor = self._on_selecting[selector_of]
                for pair in (None, *labels):
                    if (namespace, pair) in by_anchor:
                        _prune(by_anchor[namespace, pair], filter_)
                        _prune(by_anchor, (namespace, pair))

    def _registers(self, filter_: Filter | None) -> Iterator[set[Dependent]]:
        match filter_:
            case None:
                yield self._on_all
            case ByKey(key):
                yield self._on_key.setdefault(key, set())
            case ByIndex(index, value):
                yield self._on_index.setdefault(index, {}).setdefault(value, set())
            case Selected(namespace, selector):
                yield self._on_selected.setdefault((namespace, selector.anchor), {}).setdefault(filter_, set())
            case Selecting(selector_of, namespace, labels):
                by_anchor = self._on_selecting.setdefault(selector_of, {})
                for pair in (None, *labels):
                    yield by_anchor.setdefault((namespace, pair), {}).setdefault(filter_, set())


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
        dependent: Dependent = (self, key)
        for collection, filter_ in known.keys() - read.keys():
            collection._release(filter_, dependent)
        for collection, filter_ in read.keys() - known.keys():
            collection._depend(filter_, dependent)
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
_NONE: dict[Any, set[Dependent]] = {}


def _label_anchors(value: Any) -> list[Anchor]:
    """Every anchor under which a Selected filter that matches `value` can be registered."""
    if value is None:
        return []
    namespace: str = value.namespace
    anchors: list[Anchor] = [(None, None), (namespace, None)]
    for pair in value.labels.items():
        anchors.append((None, pair))
        anchors.append((namespace, pair))
    return anchors


def _move(entries: dict[Any, set[K]], key: K, old: Iterable[Any], new: Iterable[Any]) -> None:
    before, after = set(old), set(new)
    for entry in before - after:
        entries[entry].discard(key)
        _prune(entries, entry)
    for entry in after - before:
        entries.setdefault(entry, set()).add(key)


def _prune(entries: dict[Any, Any], entry: Any) -> None:
    if entry in entries and not entries[entry]:
        del entries[entry]
