"""The ledger, against a plain model of what a table holds."""

from __future__ import annotations

import re
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sealane.dataplane.nft.ledger import NOTHING, Declaration, Facts, Ledger, Phases, transaction
from sealane.dataplane.nft.services import arrange


class Table:
    """Runs the ledger's commands the way the kernel does, and refuses what the kernel would refuse."""

    def __init__(self) -> None:
        self.sets: set[str] = set()
        self.chains: dict[str, list[str]] = {}
        self.elements: dict[tuple[str, str], str] = {}

    def run(self, text: str) -> None:
        for line in text.splitlines():
            verb, what, _, rest = line.split(" ", 3)
            table, name, *_ = rest.split(" ", 2)
            full = f"{table} {name}"
            match verb, what:
                case "add", "set" | "map":
                    assert full not in self.sets
                    self.sets.add(full)
                case "delete", "set" | "map":
                    assert not any(f"@{name}" in rule for rules in self.chains.values() for rule in rules)
                    self.sets.remove(full)
                case "add", "chain":
                    assert full not in self.chains
                    self.chains[full] = []
                case "flush", "chain":
                    self.chains[full].clear()
                case "delete", "chain":
                    assert not self.chains[full]
                    assert not any(data == f"goto {name}" for data in self.elements.values())
                    del self.chains[full]
                case "add", "rule":
                    rule = rest.split(" ", 2)[2]
                    for used in re.findall(r"@(\S+)", rule):
                        assert f"{table} {used}" in self.sets
                    self.chains[full].append(rule)
                case verb, "element":
                    for element in rest.partition("{ ")[2].removesuffix(" }").split(", "):
                        key, _, data = element.partition(" : ")
                        if verb == "delete":
                            del self.elements[full, key]
                        else:
                            assert (full, key) not in self.elements
                            assert not data or f"{table} {data.removeprefix('goto ')}" in self.chains
                            self.elements[full, key] = data
                case _:
                    raise AssertionError(line)


def owner_facts(owner: int, chains: list[int], body: int) -> Facts:
    """Elements of this owner alone, chains that others share, a set those chains use, and a chain of its own."""
    elements = {f"t map {owner} . {chain}": f"goto c{chain}" for chain in chains}
    shared = {f"t c{chain}": (f"@s{chain} accept",) for chain in chains}
    sets = {f"t s{chain}": Declaration("set", "type mark;") for chain in chains}
    if chains:
        shared[f"t own{owner}"] = tuple(f"rule {index}" for index in range(body))
    entries = {f"t entries {chain}": f"goto c{chain}" for chain in chains}
    return Facts(elements, entries, shared, sets)


steps = st.lists(
    st.one_of(
        st.tuples(st.integers(0, 3), st.lists(st.integers(0, 4), max_size=3, unique=True), st.integers(0, 2)),
        st.just("take"),
    ),
    max_size=30,
)


@settings(max_examples=200, deadline=None)
@given(steps)
def test_increments_lead_where_everything_leads(drawn: list[Any]) -> None:
    ledger, table = Ledger(), Table()
    for step in drawn:
        if step == "take":
            table.run(transaction(ledger.take()))
        else:
            owner, chains, body = step
            ledger.put(owner, owner_facts(owner, chains, body))
    table.run(transaction(ledger.take()))
    scratch = Table()
    scratch.run(transaction(ledger.everything()))
    assert (table.sets, table.chains, table.elements) == (scratch.sets, scratch.chains, scratch.elements)
    assert not ledger.take()
    for owner in range(4):
        ledger.put(owner, NOTHING)
    table.run(transaction(ledger.take()))
    assert (table.sets, table.chains, table.elements) == (set(), {}, {})


def test_what_is_forgotten_is_taken() -> None:
    ledger = Ledger()
    ledger.put("first", Facts({"table map 1": "a", "table map 2": "b"}, chains={"table chain": ("accept",)}))
    assert ledger.forget()
    assert not ledger.forget()
    assert not ledger.take()
    ledger.put("first", Facts({"table map 1": "a", "table map 2": "c"}, chains={"table chain": ("accept",)}))
    assert ledger.take() == Phases(removed=("table map 2",), added={"table map 2": "c"})


def test_phases_of_several_ledgers_are_joined_phase_by_phase() -> None:
    one = Phases("a1\n", ("t m 1",), "c1\n", {"t m 2": "x"}, "e1\n")
    two = Phases("a2\n", ("t n 1",), "c2\n", {"t n 2": ""}, "e2\n")
    assert transaction(one, two).splitlines() == [
        *("a1", "a2", "delete element inet t m { 1 }", "delete element inet t n { 1 }"),
        *("c1", "c2", "add element inet t m { 2 : x }", "add element inet t n { 2 }", "e1", "e2"),
    ]


names = st.lists(st.sampled_from("abcdefgh"), unique=True)


@given(names, names)
def test_arranging_moves_as_few_endpoints_as_can_be(before: list[str], wanted: list[str]) -> None:
    after = arrange(before, wanted)
    assert sorted(after) == sorted(wanted)  # no gap, nobody twice
    changed = sum(index >= len(before) or before[index] != name for index, name in enumerate(after))
    gone_below = sum(name not in wanted for name in before[: len(wanted)])
    assert changed == gone_below + max(0, len(wanted) - len(before))
