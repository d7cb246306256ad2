"""The contents of a graph, as JSON: its collections, the inputs of each, and the inputs of one of its values.

For doctor and console. A dump reads; it changes nothing and keeps nothing.
"""

from __future__ import annotations

from dataclasses import fields, is_dataclass
from typing import Any

import msgspec

from sealane.kube.objects import Object
from sealane.reactive.collections import Collection, Derived, Graph
from sealane.reactive.filters import ByIndex, ByKey, Filter, Selected, Selecting
from sealane.reactive.groups import Group

Json = dict[str, Any]


def dump(graph: Graph) -> Json:
    """Every collection of `graph`, in the order in which changes pass through them.

    {"collections": [{"name", "kind": "source" | "derived" | "group", "values": how many, "subscribers": how many,
    "from": names of its inputs, "reads": names of what its function has fetched from, "recomputed": how often a derived
    one was computed for a key}]}. Names of a model's collections are unique.
    """
    return {"collections": [_collection(each) for each in graph.collections]}


def outputs(graph: Graph, name: str) -> list[Json]:
    """The values of the collections of that name: [{"key", "value"}], by key. An object is named, not written out."""
    return [
        {"key": str(key), "value": plain(value)}
        for each in graph.collections
        if each.name == name
        for key, value in sorted(each.items(), key=lambda item: str(item[0]))
    ]


def dependencies(graph: Graph, name: str, key: str) -> list[Json]:
    """The inputs of the output `key` of a derived collection: [{"collection", "which"}], its input first.

    key: as `outputs` writes it. Empty where there is no such output, and for sources.
    """
    for each in graph.collections:
        if each.name == name and isinstance(each, Derived):
            for input_key, made in each.made():
                if any(str(output) == key for output in made):
                    read = [
                        {"collection": other.name, "which": _which(filter_)} for other, filter_ in each.read(input_key)
                    ]
                    return [{"collection": each.source.name, "which": str(input_key)}, *read]
        elif each.name == name and isinstance(each, Group):
            for entry, members in each.made():
                if str(entry) == key:
                    return [_dependency(other.name, str(member)) for other, member in members]
    return []


def _dependency(collection: str, which: str) -> Json:
    return {"collection": collection, "which": which}


def plain(value: Any) -> Any:
    """A model value as JSON: structs and tuples with names as mappings, sets as sorted lists, objects by their key."""
    if value is None or isinstance(value, bool | int | float | str):
        return value
    if isinstance(value, Object):
        return str(value.key)
    if isinstance(value, msgspec.Struct):
        return {name: plain(getattr(value, name)) for name in value.__struct_fields__}
    if is_dataclass(value) and not isinstance(value, type):
        return {each.name: plain(getattr(value, each.name)) for each in fields(value)}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return {name: plain(each) for name, each in value._asdict().items()}
    if isinstance(value, dict):
        return {str(name): plain(each) for name, each in value.items()}
    if isinstance(value, set | frozenset):
        return sorted((plain(each) for each in value), key=str)
    if isinstance(value, list | tuple):
        return [plain(each) for each in value]
    return str(value)


def _collection(each: Collection[Any, Any]) -> Json:
    found: Json = {"name": each.name, "kind": "source", "values": len(each), "subscribers": each.subscribers}
    if isinstance(each, Derived):
        found |= {"kind": "derived", "from": [each.source.name], "recomputed": each.recomputed}
        found["reads"] = list(dict.fromkeys(other.name for key in each.source for other, _ in each.read(key)))
    elif isinstance(each, Group):
        found |= {"kind": "group", "from": [other.name for other in each.sources], "reads": []}
    else:
        found |= {"from": [], "reads": []}
    return found


def _which(filter_: Filter | None) -> str:
    match filter_:
        case None:
            return "all"
        case ByKey(key):
            return str(key)
        case ByIndex(index, value):
            return f"{getattr(index, '__name__', 'index')} = {value}"
        case Selected(namespace, selector):
            return f"{selector} in {namespace or 'all namespaces'}"
        case Selecting(_, namespace, labels):
            shown = ",".join(f"{name}={value}" for name, value in labels)
            return f"whose selector matches {shown or 'no labels'} in {namespace or 'all namespaces'}"
