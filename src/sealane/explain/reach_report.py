"""The reachability of pods, summed up by workload: rows, and the forms in which `sealane reach` writes them."""

from __future__ import annotations

import csv
import io
from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal

from sealane.explain import reach
from sealane.explain.world import World
from sealane.kube.objects import Key

Verdict = Literal["allowed", "denied", "mixed"]


@dataclass(frozen=True, slots=True)
class Row:
    """One workload's way to a port of another ("namespace/name"; a pod without a controller stands for itself).

    verdict: "mixed" when some pods of the one reach some of the other, and others not. pairs: how many pods that is.
    """

    source: str
    destination: str
    port: int
    protocol: str
    verdict: Verdict
    pairs: int

    @property
    def what(self) -> str:
        return f"{self.port}/{self.protocol}"


def rows(world: World, namespace: str = "", leave_out: Collection[str] = ()) -> list[Row]:
    """Every way between workloads on declared ports, sorted.

    namespace: only those that start or end there; "" for all. leave_out: namespaces whose pods do not count.
    """
    names = {key: _workload(world, key) for key in world.pods}
    found: dict[tuple[str, str, int, str], list[bool]] = {}
    for pair in reach.pairs(world):
        spaces = pair.source.namespace, pair.destination.namespace
        if pair.source == pair.destination or not set(spaces).isdisjoint(leave_out):
            continue
        if not namespace or namespace in spaces:
            way = names[pair.source], names[pair.destination], pair.port, pair.protocol
            found.setdefault(way, []).append(pair.allowed)
    return [Row(*way, _verdict(allowed), len(allowed)) for way, allowed in sorted(found.items())]


def as_json(found: Iterable[Row]) -> list[dict[str, Any]]:
    renamed = {"source": "from", "destination": "to"}
    return [{renamed.get(key, key): value for key, value in asdict(row).items()} for row in found]


def as_csv(found: Iterable[Row]) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(("from", "to", "port", "protocol", "verdict", "pairs"))
    writer.writerows((row.source, row.destination, row.port, row.protocol, row.verdict, row.pairs) for row in found)
    return text.getvalue()


def as_dot(found: Iterable[Row]) -> str:
    """A graph for Graphviz: an arrow for each way that is open, dashed where it is so for some pods only."""
    lines = ["digraph reach {", "  rankdir=LR;", "  node [shape=box];"]
    for (source, destination), several in _ways(found):
        open_ = [row for row in several if row.verdict != "denied"]
        if open_:
            style = ", style=dashed" if any(row.verdict == "mixed" for row in open_) else ""
            label = "\\n".join(row.what for row in open_)
            lines.append(f'  "{source}" -> "{destination}" [label="{label}"{style}];')
    return "\n".join([*lines, "}", ""])


def as_table(found: Iterable[Row]) -> list[tuple[str, str, str, str]]:
    """From, to, which ports are open (those marked with ~ for some pods only), which are closed."""
    return [
        (
            source,
            destination,
            " ".join(row.what + ("~" if row.verdict == "mixed" else "") for row in several if row.verdict != "denied"),
            " ".join(row.what for row in several if row.verdict == "denied"),
        )
        for (source, destination), several in _ways(found)
    ]


def _ways(found: Iterable[Row]) -> Iterable[tuple[tuple[str, str], Sequence[Row]]]:
    ways: dict[tuple[str, str], list[Row]] = {}
    for row in found:
        ways.setdefault((row.source, row.destination), []).append(row)
    return ways.items()


def _verdict(allowed: Sequence[bool]) -> Verdict:
    return "allowed" if all(allowed) else "mixed" if any(allowed) else "denied"


def _workload(world: World, pod: Key) -> str:
    owner = world.owner(pod) or pod
    return f"{pod.namespace}/{owner.name}"
