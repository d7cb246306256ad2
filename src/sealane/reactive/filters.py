"""Filters of `fetch`: the values that they select, how these are found, and the outputs that a changed value concerns.

A selector is filed under one label pair that everything it selects must carry, its *anchor*. So a pod with five labels
is compared with the selectors of at most six anchors, not with all.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from typing import Any, Generic, TypeVar

import msgspec

from sealane.kube.selectors import LabelSelector

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")
D = TypeVar("D")

Index = Callable[[Any], Iterable[Hashable]]
SelectorOf = Callable[[Any], LabelSelector | None]
Anchor = tuple[str | None, tuple[str, str] | None]
"""Namespace and label pair under which something is filed; None: any."""


class ByKey(msgspec.Struct, frozen=True):
    key: Hashable


class ByIndex(msgspec.Struct, frozen=True):
    """Values for which `index` yields `value`."""

    index: Index
    value: Hashable


class Selected(msgspec.Struct, frozen=True):
    """Values of `namespace` (None: any) whose labels `selector` matches."""

    namespace: str | None
    selector: LabelSelector


class Selecting(msgspec.Struct, frozen=True):
    """Values of `namespace` (None: any) whose own selector, read by `selector_of`, matches these labels."""

    selector_of: SelectorOf
    namespace: str | None
    labels: tuple[tuple[str, str], ...]


Filter = ByKey | ByIndex | Selected | Selecting


class Reader:
    """Reads index entries and selectors from values. A value that cannot be read has none."""

    def __init__(self, failed: Callable[[Exception], None]) -> None:
        self._failed = failed

    def entries(self, index: Index, value: Any) -> set[Hashable]:
        if value is None:
            return set()
        try:
            return set(index(value))
        except Exception as error:
            self._failed(error)
            return set()

    def selector(self, selector_of: SelectorOf, value: Any) -> LabelSelector | None:
        if value is None:
            return None
        try:
            return selector_of(value)
        except Exception as error:
            self._failed(error)
            return None

    def anchors(self, selector_of: SelectorOf, value: Any) -> list[Anchor]:
        """The anchors under which `value` is filed by its own selector."""
        own = self.selector(selector_of, value)
        return [] if own is None else [(None, own.anchor), (value.namespace, own.anchor)]


class Lookup(Generic[K, V]):
    """Finds values by filter. Indexes are built when first asked for and kept from then on."""

    def __init__(self, values: dict[K, V], reader: Reader) -> None:
        self._values = values
        self._reader = reader
        self._entries: dict[Index, dict[Hashable, set[K]]] = {}
        self._labels: dict[Anchor, set[K]] | None = None
        self._selectors: dict[SelectorOf, dict[Anchor, set[K]]] = {}

    def find(self, filter_: Filter) -> list[V]:
        """Sorted by key."""
        values = self._values
        keys: Iterable[K]
        match filter_:
            case ByKey(key):
                found = values.get(key)  # type: ignore[arg-type]
                return [] if found is None else [found]
            case ByIndex(index, entry):
                keys = self._by_index(index).get(entry, ())
            case Selected(namespace, selector):
                anchored = self._by_label().get((namespace, selector.anchor), ())
                keys = [key for key in anchored if selector.matches(values[key].labels)]  # type: ignore[attr-defined]
            case Selecting(selector_of, namespace, labels):
                plain = dict(labels)
                by_anchor = self._by_selector(selector_of)
                candidates: set[K] = set()
                for pair in (None, *labels):
                    candidates |= by_anchor.get((namespace, pair), set())
                keys = [
                    key
                    for key in candidates
                    if (own := self._reader.selector(selector_of, values[key])) is not None and own.matches(plain)
                ]
        return [values[key] for key in sorted(keys)]  # type: ignore[type-var]

    def changed(self, key: K, old: V | None, new: V | None) -> None:
        reader = self._reader
        for index, entries in self._entries.items():
            _move(entries, key, reader.entries(index, old), reader.entries(index, new))
        if self._labels is not None:
            _move(self._labels, key, label_anchors(old), label_anchors(new))
        for selector_of, anchors in self._selectors.items():
            _move(anchors, key, reader.anchors(selector_of, old), reader.anchors(selector_of, new))

    def _by_index(self, index: Index) -> dict[Hashable, set[K]]:
        known = self._entries.get(index)
        if known is None:
            known = self._entries[index] = {}
            for key, value in self._values.items():
                _move(known, key, (), self._reader.entries(index, value))
        return known

    def _by_label(self) -> dict[Anchor, set[K]]:
        if self._labels is None:
            self._labels = {}
            for key, value in self._values.items():
                _move(self._labels, key, (), label_anchors(value))
        return self._labels

    def _by_selector(self, selector_of: SelectorOf) -> dict[Anchor, set[K]]:
        known = self._selectors.get(selector_of)
        if known is None:
            known = self._selectors[selector_of] = {}
            for key, value in self._values.items():
                _move(known, key, (), self._reader.anchors(selector_of, value))
        return known


class Dependents(Generic[D]):
    """Who fetched with which filter: (derived collection, its input key), to be recomputed when a value changes."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader
        self._all: set[tuple[D, Hashable]] = set()
        self._key: dict[Hashable, set[tuple[D, Hashable]]] = {}
        self._index: dict[Index, dict[Hashable, set[tuple[D, Hashable]]]] = {}
        self._selected: dict[Anchor, dict[Selected, set[tuple[D, Hashable]]]] = {}
        self._selecting: dict[SelectorOf, dict[Anchor, dict[Selecting, set[tuple[D, Hashable]]]]] = {}

    def __bool__(self) -> bool:
        """Does anybody depend on anything?"""
        nested = (*self._index.values(), *self._selecting.values())
        return bool(self._all or self._key or self._selected or any(nested))

    def add(self, filter_: Filter | None, dependent: tuple[D, Hashable]) -> None:
        for dependents in self._registers(filter_):
            dependents.add(dependent)

    def discard(self, filter_: Filter | None, dependent: tuple[D, Hashable]) -> None:
        for dependents in self._registers(filter_):
            dependents.discard(dependent)
        # Empty entries go, so that a long life does not gather unused filters.
        match filter_:
            case ByKey(key):
                _prune(self._key, key)
            case ByIndex(index, value):
                _prune(self._index[index], value)
            case Selected(namespace, selector):
                anchor: Anchor = (namespace, selector.anchor)
                _prune(self._selected[anchor], filter_)
                _prune(self._selected, anchor)
            case Selecting(selector_of, namespace, labels):
                by_anchor = self._selecting[selector_of]
                for pair in (None, *labels):
                    if (namespace, pair) in by_anchor:
                        _prune(by_anchor[namespace, pair], filter_)
                        _prune(by_anchor, (namespace, pair))

    def touched(self, key: Hashable, old: Any, new: Any) -> Iterator[tuple[D, Hashable]]:
        """Whom the step from `old` to `new` concerns, some perhaps twice."""
        yield from self._all
        yield from self._key.get(key, ())
        for index, entries in self._index.items():
            for entry in self._reader.entries(index, old) | self._reader.entries(index, new):
                yield from entries.get(entry, ())
        if self._selected:
            for value in (old, new):
                for anchor in label_anchors(value):
                    for selected, dependents in self._selected.get(anchor, _NONE).items():
                        if selected.selector.matches(value.labels):
                            yield from dependents
        for selector_of, by_anchor in self._selecting.items():
            for value in (old, new):
                own = self._reader.selector(selector_of, value)
                if own is None:
                    continue
                for anchor in ((None, own.anchor), (value.namespace, own.anchor)):
                    for selecting, dependents in by_anchor.get(anchor, _NONE).items():
                        if own.matches(dict(selecting.labels)):
                            yield from dependents

    def _registers(self, filter_: Filter | None) -> Iterator[set[tuple[D, Hashable]]]:
        match filter_:
            case None:
                yield self._all
            case ByKey(key):
                yield self._key.setdefault(key, set())
            case ByIndex(index, value):
                yield self._index.setdefault(index, {}).setdefault(value, set())
            case Selected(namespace, selector):
                yield self._selected.setdefault((namespace, selector.anchor), {}).setdefault(filter_, set())
            case Selecting(selector_of, namespace, labels):
                by_anchor = self._selecting.setdefault(selector_of, {})
                for pair in (None, *labels):
                    yield by_anchor.setdefault((namespace, pair), {}).setdefault(filter_, set())


def label_anchors(value: Any) -> list[Anchor]:
    """Every anchor under which a selector that matches `value` can be filed."""
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


_NONE: dict[Any, Any] = {}
