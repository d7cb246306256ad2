"""The cost that a rule of a schema can have at most, by the sizes that the schema lets values have.

Where it is not sure what is inside of a value, it is taken as small: evaluation has a bound of its own.
Sources: k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/validation (getExpressionCost, getCostErrorMessage),
k8s.io/apiserver/pkg/cel/common/schemas.go
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field

from sealane.kube.cel.costs import DEFINED, DEFINED_TOGETHER, ONE, Cost, Size, estimate
from sealane.kube.cel.environment import Program, tree
from sealane.kube.cel.names import escaped
from sealane.kube.structural.limits import Cause
from sealane.kube.structural.node import MISSING, Node
from sealane.kube.structural.structure import forbidden

_REQUEST = 3 << 20
"""Bytes of a request, at most."""
_LENGTHS = {"duration": 32, "date": 10, "date-time": 25}
_LEAST = {"string": 2, "boolean": 4, "integer": 1, "number": 1, "array": 2}
_FACTOR = 100


@dataclass(slots=True)
class Total:
    """The costs of all rules of a schema, by path."""

    costs: dict[str, Cost] = field(default_factory=dict)

    def add(self, path: str, what: str, cost: Cost) -> Iterator[Cause]:
        """The error of an expression that might cost too much. what: "rule" or "messageExpression"."""
        self.costs[path] = cost
        if cost > DEFINED:
            yield forbidden(path, _exceeds(f"estimated {what} cost", cost, DEFINED))

    def causes(self, path: str) -> Iterator[Cause]:
        """The errors of a schema whose rules might cost too much together."""
        total = sum(self.costs.values())
        if total <= DEFINED_TOGETHER:
            return
        named = "estimated rule & messageExpression cost total"
        for place, cost in sorted(self.costs.items(), key=lambda one: -one[1])[:4]:
            if cost > DEFINED_TOGETHER / _FACTOR:
                why = f"contributed to {named} exceeding cost limit for entire OpenAPIv3 schema"
                yield forbidden(place, why)
        whole = f"x-kubernetes-validations {named} for entire OpenAPIv3 schema"
        yield forbidden(path, _exceeds(whole, total, DEFINED_TOGETHER))


def _exceeds(what: str, cost: Cost, limit: Cost) -> str:
    factor = cost / limit
    times = f"more than {_FACTOR}x" if factor > _FACTOR else f"{factor:.1f}x"
    return (
        f"{what} exceeds budget by factor of {times} (try simplifying the rule, or adding maxItems, maxProperties, and "
        "maxLength where arrays, maps, and strings are declared)"
    )


def rule_cost(program: Program, node: Node, often: Cost | None) -> Cost:
    """The largest cost of a rule at `node`. often: how many such values an object can have; None: as many as fit."""
    checked = tree(program)
    size = size_of(node)
    cost = estimate(checked.expr, dict(checked.type_map), dict.fromkeys(("self", "oldSelf", "__old"), size), _inner)
    return cost * (often if often is not None else _REQUEST // (least(node) + 1))


def more(often: Cost | None, most: int | None) -> Cost | None:
    """How often there is what is inside of a list or map of at most `most`; None: without a bound."""
    return None if often is None or most is None else often * most


def size_of(node: Node) -> Size:
    schema = node.schema
    if node.type == "array" and node.items is not None:
        most = schema.get("maxItems")
        return Size((_REQUEST - 2) // (least(node.items) + 1) if most is None else max(most, 0), 1, node)
    if node.additional is not None and not node.properties:
        most = schema.get("maxProperties")
        return Size((_REQUEST - 2) // (least(node.additional) + 6) if most is None else max(most, 0), 1, node)
    if node.type == "string":
        most = schema.get("maxLength")
        if form := _LENGTHS.get(str(schema.get("format") or "")):
            return Size(1, form, node)
        if most is not None:
            return Size(1, max(most, 0) * (1 if schema.get("format") else 4), node)
        if schema.get("enum"):
            return Size(1, max(len(str(each)) for each in schema["enum"]), node)
        return Size(1, _REQUEST - 2, node)
    return Size(1, 1, node)


def _inner(around: Size, name: str) -> Size:
    node = around.node
    if not isinstance(node, Node):
        return ONE
    if name == "@items":
        inner = node.items or node.additional
    else:
        inner = next((each for key, each in node.properties.items() if escaped(key) == name), node.additional)
    return size_of(inner) if inner is not None else ONE


def least(node: Node) -> int:
    """The bytes of the shortest value, as JSON."""
    if node.type == "object" and node.properties:
        size = 2
        for name in node.required:
            inner = node.properties.get(name)
            if inner is not None and inner.default is MISSING:
                size += len(name) + least(inner) + 4
        return size
    return _LEAST.get(node.type, 2 if node.type == "object" else 1)
