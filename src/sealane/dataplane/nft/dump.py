"""The kernel's tables in the ledger's own words, so that the two can be compared."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import msgspec

from sealane.dataplane.nft.chains import TABLE as SERVICES
from sealane.dataplane.nft.generations import TABLES, Generation
from sealane.dataplane.nft.ledger import FAMILY, Ledger, split
from sealane.dataplane.nft.libnftables import Nftables, NftError


class Dump(msgspec.Struct, frozen=True):
    """elements: as in `ledger.Facts`. chains: name → its rules as nft(8) prints them, without counts."""

    elements: Mapping[str, str]
    chains: Mapping[str, tuple[str, ...]]


def read(nft: Nftables, generation: Generation = "") -> Dump:
    """Everything in Sealane's tables, here, named as in ledgers. Tables that are not there hold nothing."""
    names = {f"{table}{generation}": table for table in TABLES}
    elements: dict[str, str] = {}
    for kind in ("set", "map"):
        for entry in nft.json(f"list {kind}s {FAMILY}"):
            found = entry.get(kind)
            if found is not None and found["table"] in names:
                elements.update(_elements(f"{names[found['table']]} {found['name']}", found))
    chains: dict[str, tuple[str, ...]] = {}
    for name, table in names.items():
        try:
            text = nft.terse(f"list table {FAMILY} {name}")
        except NftError:
            continue
        chains |= {f"{table} {chain}": rules for chain, rules in _chains(text)}
    return Dump(elements, chains)


def _chains(text: str) -> Iterator[tuple[str, tuple[str, ...]]]:
    """Each chain of a listed table with its rules."""
    for block in text.split("\n\tchain ")[1:]:
        name, *lines = block.partition("\n\t}")[0].splitlines()
        yield name.removesuffix(" {"), tuple(line.strip() for line in lines if not line.startswith("\t\ttype "))


def differences(dump: Dump, *ledgers: Ledger) -> list[str]:
    """Elements that the kernel holds in error, or lacks, one sentence each; it keeps clients of affinity itself."""
    found: list[str] = []
    wanted: dict[str, str] = {}
    for ledger in ledgers:
        wanted.update(ledger.elements)
    fixed = _fixed()
    for name, data in wanted.items():
        there = dump.elements.get(name)
        if there is None:
            found.append(f"{_shown(name, data)} is missing")
        elif there != data:
            found.append(f"{_shown(name, there)} should lead to {data}")
    for name, data in dump.elements.items():
        if name not in wanted and split(name)[0] not in fixed and not name.startswith(f"{SERVICES} clients"):
            found.append(f"{_shown(name, data)} is there and should not be")
    for ledger in ledgers:
        for chain, rules in ledger.chains.items():
            if chain not in dump.chains:
                found.append(f"chain {chain} is missing")
            elif len(dump.chains[chain]) != len(rules):
                found.append(f"chain {chain} has {len(dump.chains[chain])} rules instead of {len(rules)}")
    return found


def _fixed() -> set[str]:
    names = ["pods", "unmasqueraded", "services", "loadbalancers"]
    return {f"{SERVICES} {name}{family}" for name in names for family in (4, 6)}


def _shown(name: str, data: str) -> str:
    container, element = split(name)
    return f"{container}: {element} : {data}" if data else f"{container}: {element}"


def _elements(container: str, listed: Mapping[str, Any]) -> dict[str, str]:
    found: dict[str, str] = {}
    is_map = "map" in listed
    # In which maps the last part of the key, or the data, is a mark.
    kind = container.rsplit(" ", 1)[1].rstrip("46").removeprefix("nodeport-")
    for element in listed.get("elem", ()):
        key, data = element if is_map else (element, None)
        text = _text(key, mark=kind in ("endpoints", "drawn", "sticky", "chains", "shortcut-chains"))
        found[f"{container} {text}"] = _text(data, mark=kind in ("drawn", "vips", "shortcuts")) if is_map else ""
    return found


def _text(value: Any, mark: bool = False) -> str:
    """A JSON expression of libnftables as the text the ledger writes. mark: the last number is a mark."""
    if isinstance(value, dict):
        if "elem" in value:
            return _text(value["elem"]["val"], mark)
        if "concat" in value:
            *first, last = value["concat"]
            return " . ".join([*map(_text, first), _text(last, mark)])
        if "prefix" in value:
            return f"{value['prefix']['addr']}/{value['prefix']['len']}"
        if "range" in value:
            return "-".join(map(_text, value["range"]))
        for verdict in ("goto", "jump"):
            if verdict in value:
                return f"{verdict} {value[verdict]['target']}"
        if len(value) == 1:
            return str(next(iter(value)))
    if mark:
        return f"{int(value):#010x}"
    return str(value)
