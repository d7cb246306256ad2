"""Sets of fields: which fields an object has, as metadata.managedFields writes them (FieldsV1).

A path is the tuple of its FieldsV1 keys, e.g. ("f:spec", "f:ports", 'k:{"port":80,"protocol":"TCP"}', "f:name"). Lists
are one field (atomic), sets of values, or told apart by keys, as the schema says; without a schema a list is one field.
Source: KEP-555 and sigs.k8s.io/structured-merge-diff (the meaning of x-kubernetes-list-type and map-type)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

import msgspec

from sealane.kube import schema
from sealane.kube.objects import Raw

Path = tuple[str, ...]
FieldSet = frozenset[Path]

_ATOMIC_TYPES = frozenset(  # x-kubernetes-map-type: atomic
    {
        "meta.v1.LabelSelector",
        *(
            f"core.v1.{name}"
            for name in (
                "ConfigMapKeySelector",
                "LocalObjectReference",
                "NodeSelector",
                "NodeSelectorTerm",
                "ObjectFieldSelector",
                "ObjectReference",
                "ResourceFieldSelector",
                "ScopeSelector",
                "SecretKeySelector",
                "SecretReference",
                "TopologySelectorTerm",
                "TypedLocalObjectReference",
            )
        ),
        "networking.v1.IngressClassParametersReference",
        "networking.v1.ServiceBackendPort",
    }
)
_ATOMIC_FIELDS = frozenset(
    {
        ("core.v1.ServiceSpec", "selector"),
        ("core.v1.PodSpec", "nodeSelector"),
        ("core.v1.ReplicationController", "selector"),
    }
)
_KEY_DEFAULTS = {"protocol": "TCP"}
_key = msgspec.json.Encoder(order="sorted").encode


class Shape(msgspec.Struct, frozen=True):
    """The merge of the value at one place. type: "" where nothing is known (maps merge, lists are one field).

    custom: an object of a custom kind, whose metadata is as everywhere. structural: what its schema says (the
    openAPIV3Schema of a CustomResourceDefinition), in place of a type.
    """

    type: str = ""
    atomic: bool = False
    list_type: str = ""
    keys: tuple[str, ...] = ()
    custom: bool = False
    structural: Mapping[str, Any] | None = None

    def field(self, name: str) -> Shape:
        """The shape of a field of an object, or of the values of a map."""
        if self.structural is not None and not (self.custom and name == "metadata"):
            properties, others = self.structural.get("properties"), self.structural.get("additionalProperties")
            found = properties.get(name) if isinstance(properties, Mapping) else None
            return structural(found if found is not None else others)
        if self.custom and name == "metadata":
            return Shape("meta.v1.ObjectMeta")
        if self.type.startswith("{}"):
            return _values(self.type)
        return _field(self.type, name) if self.type else UNKNOWN

    @property
    def element(self) -> Shape:
        """The shape of a list's elements."""
        if self.structural is not None:
            return structural(self.structural.get("items"))
        return Shape(self.type[2:])

    def divisible(self, value: Any) -> bool:
        """Whether parts of `value` can have different owners."""
        if self.atomic or not value:
            return False
        if isinstance(value, Mapping):
            return True
        return isinstance(value, list) and (self.list_type == "set" or bool(self.keys))

    def nothing(self, value: Any) -> bool:
        """A list without elements has no owner where its elements have."""
        return value == [] and not self.atomic and (self.list_type == "set" or bool(self.keys))

    def identity(self, element: Any) -> str:
        """The FieldsV1 key of a list's element."""
        if not self.keys:
            return "v:" + _key(element).decode()
        given = element if isinstance(element, Mapping) else {}
        found = {key: given.get(key, self._key_default(key)) for key in self.keys}
        return "k:" + _key({key: value for key, value in found.items() if value is not None}).decode()

    def _key_default(self, key: str) -> Any:
        if self.structural is None:
            return _KEY_DEFAULTS.get(key)
        return self.element.field(key).default

    @property
    def default(self) -> Any:
        return self.structural.get("default") if self.structural is not None else None


UNKNOWN = Shape()
CUSTOM = Shape(custom=True)


@lru_cache(maxsize=1024)
def _values(type_: str) -> Shape:
    return Shape(type_[2:], type_[2:] in _ATOMIC_TYPES)


@lru_cache(maxsize=8192)
def _field(type_: str, name: str) -> Shape:
    if type_ in schema.PLAIN or type_.startswith("[]"):
        return UNKNOWN  # the value is not of the type that the schema says
    found = schema.named(type_).fields.get(name)
    if found is None:
        return UNKNOWN
    atomic = found.type in _ATOMIC_TYPES or (type_, name) in _ATOMIC_FIELDS
    return Shape(found.type, atomic, found.list_type, found.list_keys)


def structural(schema: Any, root: bool = False) -> Shape:
    """The shape that a structural schema gives: x-kubernetes-map-type, -list-type and -list-map-keys.

    Source: https://kubernetes.io/docs/reference/using-api/server-side-apply/#merge-strategy
    """
    if not isinstance(schema, Mapping):
        return CUSTOM if root else UNKNOWN
    list_type = schema.get("x-kubernetes-list-type") or ""
    keys = tuple(schema.get("x-kubernetes-list-map-keys") or ()) if list_type == "map" else ()
    embedded = bool(schema.get("x-kubernetes-embedded-resource"))
    atomic = schema.get("x-kubernetes-map-type") == "atomic"
    return Shape("", atomic, "set" if list_type == "set" else "", keys, root or embedded, schema)


@lru_cache(maxsize=1024)
def shape_of(api_version: str, kind: str) -> Shape:
    found = schema.root(api_version, kind)
    return Shape(found.name) if found is not None else CUSTOM


def parts(shape: Shape, value: Any) -> Iterator[tuple[str, Shape, Any]]:
    """FieldsV1 key, shape and value of each part of a divisible value."""
    if isinstance(value, Mapping):
        for name, each in value.items():
            yield f"f:{name}", shape.field(name), each
    else:
        for each in value:
            yield shape.identity(each), shape.element, each


def fields_of(shape: Shape, value: Any) -> dict[Path, Any]:
    """Every field of `value` and what it holds; an element of a list counts also as itself, holding None."""
    found: dict[Path, Any] = {}
    _collect(shape, value, (), found)
    return found


def _collect(shape: Shape, value: Any, path: Path, found: dict[Path, Any]) -> None:
    if not shape.divisible(value):
        if path and not shape.nothing(value):
            found[path] = value
        return
    for key, inner, each in parts(shape, value):
        below = (*path, key)
        if key.startswith("k:"):
            found[below] = None
        _collect(inner, each, below, found)


def compared(shape: Shape, old: Any, new: Any) -> tuple[dict[Path, Any], set[Path]]:
    """The fields of `new` that `old` has not, or other, with what they hold; and those of `old` that `new` has not.

    Equal parts are not looked into, so the work is in proportion to the difference.
    """
    written: dict[Path, Any] = {}
    gone: dict[Path, Any] = {}
    _compare(shape, old, new, (), written, gone)
    return written, gone.keys() - written.keys()


def _compare(shape: Shape, old: Any, new: Any, path: Path, written: dict[Path, Any], gone: dict[Path, Any]) -> None:
    if old == new and type(old) is type(new):
        return
    if shape.divisible(old) and shape.divisible(new) and isinstance(old, Mapping) == isinstance(new, Mapping):
        had = {key: (inner, each) for key, inner, each in parts(shape, old)}
        for key, inner, each in parts(shape, new):
            if key in had:
                _compare(inner, had.pop(key)[1], each, (*path, key), written, gone)
            else:
                _collect_part(key, inner, each, path, written)
        for key, (inner, each) in had.items():
            _collect_part(key, inner, each, path, gone)
        return
    _collect(shape, old, path, gone)
    _collect(shape, new, path, written)


def _collect_part(key: str, inner: Shape, value: Any, path: Path, found: dict[Path, Any]) -> None:
    if key.startswith("k:"):
        found[(*path, key)] = None
    _collect(inner, value, (*path, key), found)


def tree_of(shape: Shape, value: Any) -> Raw:
    """`encode` of the fields of a divisible value, without the way through paths."""
    tree: Raw = {}
    if isinstance(value, Mapping):
        for name, each in value.items():
            if not isinstance(each, dict | list):  # most are plain
                tree["f:" + name] = {}
                continue
            inner = shape.field(name)
            if inner.divisible(each):
                tree["f:" + name] = tree_of(inner, each)
            elif not inner.nothing(each):
                tree["f:" + name] = {}
        return tree
    element = shape.element
    for each in value:
        key = shape.identity(each)
        tree[key] = {}
        if key.startswith("k:"):
            tree[key]["."] = {}
        if element.divisible(each):
            tree[key] |= tree_of(element, each)
    return tree


def encode(fields: FieldSet) -> Raw:
    """As FieldsV1: a tree whose inner nodes are marked "." where they are members themselves."""
    tree: Raw = {}
    for path in sorted(fields):
        node = tree
        for key in path:
            node = node.setdefault(key, {})
        node["."] = {}
    return _without_needless_marks(tree)


def _without_needless_marks(node: Raw) -> Raw:
    return {key: {} if list(each) == ["."] else _without_needless_marks(each) for key, each in node.items()}


def decode(tree: Any) -> FieldSet:
    """Raises ValueError for what is no FieldsV1."""
    found: set[Path] = set()

    def walk(node: Any, path: Path) -> None:
        if not isinstance(node, Mapping):
            raise ValueError(f"fieldsV1 at {dotted(path)}: expected an object")
        inner = [key for key in node if key != "."]
        if path and ("." in node or not inner):
            found.add(path)
        for key in inner:
            if key[:2] not in ("f:", "k:", "v:", "i:"):
                raise ValueError(f"fieldsV1 at {dotted(path)}: {key!r} is no field")
            walk(node[key], (*path, key))

    walk(tree, ())
    return frozenset(found)


def dotted(path: Path) -> str:
    """As messages name it: .spec.ports[port=80,protocol="TCP"].name"""
    text = ""
    for key in path:
        sort, rest = key[:2], key[2:]
        if sort == "f:":
            text += f".{rest}"
        elif sort == "k:":
            pairs = msgspec.json.decode(rest)
            text += "[" + ",".join(f"{name}={_key(value).decode()}" for name, value in sorted(pairs.items())) + "]"
        else:
            text += f"[{'=' if sort == 'v:' else ''}{rest}]"
    return text


def without(shape: Shape, value: Any, removed: FieldSet, path: Path = ()) -> Any:
    """`value` without the fields in `removed`; maps and lists that this empties go too. None when nothing is left."""
    if not shape.divisible(value) or not any(each[: len(path)] == path for each in removed):
        return value
    if isinstance(value, Mapping):
        kept: dict[str, Any] = {}
        for name, each in value.items():
            below = (*path, f"f:{name}")
            if below not in removed:
                left = without(shape.field(name), each, removed, below)
                if left is not None:
                    kept[name] = left
        return kept or None
    left_items = []
    for each in value:
        below = (*path, shape.identity(each))
        if below not in removed:
            left = without(shape.element, each, removed, below)
            if left is not None:
                left_items.append(left)
    return left_items or None


def merged(shape: Shape, live: Any, wanted: Any) -> Any:
    """`live` with all that `wanted` says. Elements of a list keep their order in `live`; new ones follow."""
    if isinstance(wanted, Mapping) and isinstance(live, Mapping) and not shape.atomic:
        result = dict(live)
        for name, each in wanted.items():
            result[name] = merged(shape.field(name), live[name], each) if name in live else each
        return result
    if isinstance(wanted, list) and isinstance(live, list) and shape.divisible(wanted):
        new = {shape.identity(each): each for each in wanted}
        items = []
        for each in live:
            update = new.pop(shape.identity(each), None)
            items.append(each if update is None else merged(shape.element, each, update))
        return items + list(new.values())
    return wanted
