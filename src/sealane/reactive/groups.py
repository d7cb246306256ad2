"""Grouping: one output for each index entry, over any number of collections.

    attached = group("attached", [(routes, listeners_of_route)], lambda listener, routes: len(routes))

`derive` makes outputs from one input; `group` makes one output from all values that share an entry: a virtual
host from the rules of many routes, a count for each listener. A change costs what `fold` does for what it touches.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator, Sequence
from heapq import heappush
from typing import Any, Generic, TypeVar

from sealane.reactive.collections import Collection

G = TypeVar("G", bound=Hashable)
V = TypeVar("V")
VO = TypeVar("VO")

Index = Callable[[Any], Iterable[Hashable]]


class Members(Generic[V]):
    """The values of one group, in order of collection and key. Its length is known without reading them."""

    __slots__ = ("_collections", "_members")

    def __init__(self, collections: Sequence[Collection[Any, V]], members: set[tuple[int, Any]]) -> None:
        self._collections = collections
        self._members = members

    def __len__(self) -> int:
        return len(self._members)

    def __iter__(self) -> Iterator[V]:
        for number, key in sorted(self._members):
            yield self._collections[number]._values[key]


class Group(Collection[G, VO], Generic[G, V, VO]):
    """Made by `group`."""

    def __init__(
        self,
        name: str,
        inputs: Sequence[tuple[Collection[Any, Any], Index]],
        fold: Callable[[G, Members[V]], VO | None],
    ) -> None:
        super().__init__(inputs[0][0].graph, name)
        self._collections = [collection for collection, _ in inputs]
        self._indexes_of = [index for _, index in inputs]
        self._fold = fold
        self._members: dict[G, set[tuple[int, Any]]] = {}
        self._entries: dict[tuple[int, Any], frozenset[Any]] = {}
        self._stale: dict[tuple[int, Any], None] = {}
        for number, (collection, _) in enumerate(inputs):
            tap = _Tap(self, number)
            collection._derived.append(tap)
            for key in collection:
                tap._invalidate(key)
        if self.graph._depth == 0:
            self.graph._settle()

    @property
    def sources(self) -> Sequence[Collection[Any, Any]]:
        return self._collections

    def made(self) -> Iterator[tuple[G, list[tuple[Collection[Any, Any], Any]]]]:
        """Entries with their members: the collection and the key of each."""
        for entry, members in self._members.items():
            yield entry, [(self._collections[number], key) for number, key in sorted(members)]

    def _mark_stale(self, number: int, key: Any) -> None:
        if not self._stale:
            heappush(self.graph._dirty, (self._order, self))
        self._stale[number, key] = None

    def _recompute(self) -> None:
        stale, self._stale = self._stale, {}
        touched: dict[G, None] = {}
        for member in stale:
            number, key = member
            collection = self._collections[number]
            before: frozenset[Any] = self._entries.get(member, _NONE)
            after: frozenset[Any] = frozenset(collection._reader.entries(self._indexes_of[number], collection.get(key)))
            if after:
                self._entries[member] = after
            else:
                self._entries.pop(member, None)
            for entry in before - after:
                self._members[entry].discard(member)
            for entry in after - before:
                self._members.setdefault(entry, set()).add(member)
            touched.update(dict.fromkeys(before | after))
        for entry in touched:
            members = self._members[entry]
            if not members:
                del self._members[entry]
                self._change(entry, None)
                continue
            try:
                self._change(entry, self._fold(entry, Members(self._collections, members)))
            except Exception as error:
                self.graph._failed(self.name, entry, error)
                self._change(entry, None)

    def __lt__(self, other: Collection[Any, Any]) -> bool:
        return self._order < other._order


class _Tap:
    """Tells a group that a key of its `number`th input changed."""

    __slots__ = ("_group", "_number")

    def __init__(self, group: Group[Any, Any, Any], number: int) -> None:
        self._group = group
        self._number = number

    def _invalidate(self, key: Any) -> None:
        self._group._mark_stale(self._number, key)


def group(
    name: str,
    inputs: Sequence[tuple[Collection[Any, Any], Index]],
    fold: Callable[[G, Members[V]], VO | None],
) -> Group[G, V, VO]:
    """One output (or none) for each entry that an input's index gives for any of its values.

    inputs: pairs of a collection and the function from a value to the entries it belongs to.
    """
    return Group(name, inputs, fold)


_NONE: frozenset[Any] = frozenset()
