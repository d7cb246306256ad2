"""The ledger: the wanted contents of a node's tables, their owners, and the changes since the last transaction.

An owner (a Service, a policy, a pod) puts the facts it needs; chains and sets that several owners need are counted.
Changes come out as text in five phases, so that several ledgers can share a transaction: everything is declared before
it is used, and let go before it is deleted.
"""

from __future__ import annotations

from collections.abc import Hashable, Mapping
from typing import NamedTuple

import msgspec

FAMILY = "inet"
LINE = 500
"""Elements in one command."""


class Declaration(NamedTuple):
    """kind: "set" or "map". body: what stands between the braces, e.g. "type ipv4_addr;"."""

    kind: str
    body: str


class Facts(msgspec.Struct, frozen=True):
    """The facts that one owner needs. Names carry their table: "sealane-services unserved" is a chain.

    elements: element, with its table and map, → its data; "" in sets: "sealane-services vips4 10.96.0.1 . tcp . 80".
        An element has one owner at a time.
    shared: the same, for elements that any number of owners need (and all give the same data).
    chains: name → its rules. sets: those beyond the table's fixed ones, by name. Both can have many owners.
    """

    elements: Mapping[str, str] = msgspec.field(default_factory=dict)
    shared: Mapping[str, str] = msgspec.field(default_factory=dict)
    chains: Mapping[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    sets: Mapping[str, Declaration] = msgspec.field(default_factory=dict)


class Draft(msgspec.Struct):
    """Facts in the making."""

    elements: dict[str, str] = msgspec.field(default_factory=dict)
    shared: dict[str, str] = msgspec.field(default_factory=dict)
    chains: dict[str, tuple[str, ...]] = msgspec.field(default_factory=dict)
    sets: dict[str, Declaration] = msgspec.field(default_factory=dict)

    def facts(self) -> Facts:
        return Facts(self.elements, self.shared, self.chains, self.sets)


NOTHING = Facts()


class Phases(msgspec.Struct, frozen=True):
    """Phases of a write, in order. removed, added: elements, as in Facts. sets: declarations of sets they are in, where
    those are not fixed ones. The rest are commands."""

    declare: str = ""
    removed: tuple[str, ...] = ()
    define: str = ""
    added: Mapping[str, str] = msgspec.field(default_factory=dict)
    discard: str = ""
    sets: Mapping[str, Declaration] = msgspec.field(default_factory=dict)

    def __bool__(self) -> bool:
        return bool(self.removed or self.added or self.commands)

    @property
    def commands(self) -> bool:
        """True when there is more than elements."""
        return bool(self.declare or self.define or self.discard)


def transaction(*ledgers: Phases) -> str:
    """One text: the same phase of every ledger, then the next."""
    return "".join(
        [
            *(phases.declare for phases in ledgers),
            *(_elements("delete", dict.fromkeys(phases.removed, "")) for phases in ledgers),
            *(phases.define for phases in ledgers),
            *(_elements("add", phases.added) for phases in ledgers),
            *(phases.discard for phases in ledgers),
        ]
    )


class Ledger:
    """`put` facts; `take` what changed since the last `take`; `everything` is the whole, for an empty table."""

    def __init__(self) -> None:
        self._facts: dict[Hashable, Facts] = {}
        self._elements: dict[str, str] = {}
        self._chains: dict[str, tuple[str, ...]] = {}
        self._sets: dict[str, Declaration] = {}
        # How many owners each has. (One dict of plain strings each: the garbage collector does not look into those.)
        self._element_uses: dict[str, int] = {}
        self._chain_uses: dict[str, int] = {}
        self._set_uses: dict[str, int] = {}
        # What the last transaction left behind, for everything touched since; None: was not there.
        self._old_elements: dict[str, str | None] = {}
        self._old_chains: dict[str, tuple[str, ...] | None] = {}
        self._old_sets: dict[str, Declaration | None] = {}

    @property
    def elements(self) -> Mapping[str, str]:
        return self._elements

    @property
    def chains(self) -> Mapping[str, tuple[str, ...]]:
        return self._chains

    @property
    def sets(self) -> Mapping[str, Declaration]:
        return self._sets

    def owners(self) -> list[Hashable]:
        return list(self._facts)

    def put(self, owner: Hashable, facts: Facts) -> None:
        """Replaces what `owner` needs; NOTHING lets go of all of it."""
        old = self._facts.get(owner, NOTHING)
        if facts is old:
            return
        if facts.elements or facts.shared or facts.chains or facts.sets:
            self._facts[owner] = facts
        else:
            self._facts.pop(owner, None)
        for element in old.elements:
            if element not in facts.elements:
                self._old_elements.setdefault(element, self._elements.pop(element, None))
        for element, data in facts.elements.items():
            if old.elements.get(element) != data:
                self._old_elements.setdefault(element, self._elements.get(element))
                self._elements[element] = data
        for element, data in facts.shared.items():
            if element not in old.shared and _use(self._element_uses, element):
                self._old_elements.setdefault(element, self._elements.get(element))
                self._elements[element] = data
        for element in old.shared:
            if element not in facts.shared and _release(self._element_uses, element):
                self._old_elements.setdefault(element, self._elements.pop(element, None))
        for chain, rules in facts.chains.items():
            first = chain not in old.chains and _use(self._chain_uses, chain)
            if first or self._chains[chain] != rules:
                self._old_chains.setdefault(chain, self._chains.get(chain))
                self._chains[chain] = rules
        for chain in old.chains:
            if chain not in facts.chains and _release(self._chain_uses, chain):
                self._old_chains.setdefault(chain, self._chains.pop(chain))
        for name, declaration in facts.sets.items():
            if name not in old.sets and _use(self._set_uses, name):
                self._old_sets.setdefault(name, self._sets.get(name))
                self._sets[name] = declaration
        for name in old.sets:
            if name not in facts.sets and _release(self._set_uses, name):
                self._old_sets.setdefault(name, self._sets.pop(name))

    def take(self) -> Phases:
        """The commands that bring a table from the last `take` to what is wanted now."""
        elements, self._old_elements = self._old_elements, {}
        chains, self._old_chains = self._old_chains, {}
        sets, self._old_sets = self._old_sets, {}
        if not elements and not chains and not sets:
            return Phases()
        removed = tuple(
            element for element, data in elements.items() if data is not None and self._elements.get(element) != data
        )
        added = {
            element: self._elements[element]
            for element, data in elements.items()
            if element in self._elements and self._elements[element] != data
        }
        containers = {split(element)[0] for element in (*removed, *added)} if self._sets else ()
        redefined = {name: self._chains[name] for name in chains if name in self._chains}
        redefined = {name: rules for name, rules in redefined.items() if chains[name] != rules}
        gone = [name for name, rules in chains.items() if rules is not None and name not in self._chains]
        declared = {name: self._sets[name] for name, was in sets.items() if was is None and name in self._sets}
        dropped = {name: was for name, was in sets.items() if was is not None and name not in self._sets}
        return Phases(
            _declare(declared) + "".join(f"add chain {FAMILY} {name}\n" for name in redefined if chains[name] is None),
            removed,
            _define(redefined, [name for name in redefined if chains[name] is not None]),
            added,
            "".join(f"flush chain {FAMILY} {name}\n" for name in gone)
            + "".join(f"delete chain {FAMILY} {name}\n" for name in gone)
            + "".join(f"delete {was.kind} {FAMILY} {name}\n" for name, was in dropped.items()),
            {name: self._sets[name] for name in containers if name in self._sets},
        )

    def forget(self) -> bool:
        """Counts the changes since the last `take` as taken; whether there were any."""
        changed = bool(self._old_elements or self._old_chains or self._old_sets)
        self._old_elements, self._old_chains, self._old_sets = {}, {}, {}
        return changed

    def everything(self) -> Phases:
        """The commands that fill empty tables."""
        return Phases(
            _declare(self._sets) + "".join(f"add chain {FAMILY} {name}\n" for name in self._chains),
            (),
            _define(self._chains, ()),
            dict(self._elements),
            sets=dict(self._sets),
        )


def _declare(sets: Mapping[str, Declaration]) -> str:
    return "".join(f"add {kind} {FAMILY} {name} {{ {body} }}\n" for name, (kind, body) in sets.items())


def _define(chains: Mapping[str, tuple[str, ...]], flush: list[str] | tuple[()]) -> str:
    lines = [f"flush chain {FAMILY} {name}\n" for name in flush]
    lines += [f"add rule {FAMILY} {name} {rule}\n" for name, rules in chains.items() for rule in rules]
    return "".join(lines)


def _use(uses: dict[str, int], name: str) -> bool:
    """True for the first use."""
    count = uses.get(name, 0)
    uses[name] = count + 1
    return not count


def _release(uses: dict[str, int], name: str) -> bool:
    """True for the last use."""
    count = uses[name] - 1
    if count:
        uses[name] = count
    else:
        del uses[name]
    return not count


def empty_table(name: str) -> list[str]:
    """The first lines of a table's text, before what is in it and a brace. It replaces the one that is there, and does
    nothing until it is woken."""
    return [
        f"table {FAMILY} {name} {{ }}",
        f"delete table {FAMILY} {name}",
        f"table {FAMILY} {name} {{",
        "flags dormant;",
    ]


def split(element: str) -> tuple[str, str]:
    """("sealane-services vips4", "10.96.0.1 . tcp . 80") of an element's full name."""
    end = element.index(" ", element.index(" ") + 1)
    return element[:end], element[end + 1 :]


def _elements(verb: str, elements: Mapping[str, str]) -> str:
    by_container: dict[str, list[str]] = {}
    for name, data in elements.items():
        container, element = split(name)
        by_container.setdefault(container, []).append(f"{element} : {data}" if data else element)
    # Lines of limited length, so that what does not fit into one transaction can be cut between lines.
    return "".join(
        f"{verb} element {FAMILY} {container} {{ {', '.join(found[start : start + LINE])} }}\n"
        for container, found in by_container.items()
        for start in range(0, len(found), LINE)
    )
