"""The objects of one cluster by kind. A kind is followed because somebody asks for it, and for no other reason.

objects = Objects.of(load(["manifests/"]).objects)   # or `informer.inform(client, graph)`, of a running cluster
services = objects[SERVICE]
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object
from sealane.reactive.collections import Graph, Source


class Objects(Mapping[Kind, Source[Key, Object]]):
    """A source for each kind, made when it is first asked for. As a mapping it holds the kinds asked for so far."""

    def __init__(self, graph: Graph) -> None:
        self.graph = graph
        self._asked: dict[Kind, Source[Key, Object]] = {}
        self._later: dict[Kind, Source[Key, Object]] = {}

    @staticmethod
    def of(objects: Iterable[Object], graph: Graph | None = None) -> Objects:
        """Of objects that are at hand: those of manifests, or of a cluster as it was. Of two with one key the last."""
        return _Given(graph or Graph(), objects)

    def all(self) -> list[Object]:
        """Every object there is, of kinds that no caller has asked for only where they are at hand; by key."""
        return sorted((item for source in self.values() for item in source.values()), key=lambda item: item.key)

    def __getitem__(self, kind: Kind) -> Source[Key, Object]:
        found = self._asked.get(kind)
        if found is None:
            found = self._asked[kind] = self.later(kind)
            self._begin(kind, found)
        return found

    def later(self, kind: Kind) -> Source[Key, Object]:
        """The source of `kind` without asking for it: empty, until somebody asks."""
        found = self._asked.get(kind)
        if found is None:
            found = self._later.get(kind)
        if found is None:
            found = self._later[kind] = Source(self.graph, kind.plural)
        return found

    def __contains__(self, kind: object) -> bool:
        return kind in self._asked

    def __iter__(self) -> Iterator[Kind]:
        return iter(self._asked)

    def __len__(self) -> int:
        return len(self._asked)

    def _begin(self, kind: Kind, source: Source[Key, Object]) -> None:
        """`kind` is asked for: fills `source`, now or from now on."""


class _Given(Objects):
    def __init__(self, graph: Graph, objects: Iterable[Object]) -> None:
        super().__init__(graph)
        self._held: dict[tuple[str, str], dict[Key, Object]] = {}
        for item in objects:
            self._held.setdefault((item.key.group, item.kind), {})[item.key] = item

    def _begin(self, kind: Kind, source: Source[Key, Object]) -> None:
        source.replace(self._held.get((kind.group, kind.kind), {}))

    def all(self) -> list[Object]:
        asked = {(kind.group, kind.kind) for kind in self}
        rest = [item for of, held in self._held.items() if of not in asked for item in held.values()]
        return sorted([*super().all(), *rest], key=lambda item: item.key)
