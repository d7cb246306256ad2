"""The cost of expressions in the units of kube-apiserver: about one for each step, and more where sizes decide.

`COSTS` has what each function costs by the sizes of its arguments: an estimate asks with the largest that can be, an
evaluation (`tracked`) with those that are.
Sources: k8s.io/apiserver/pkg/cel/library/cost.go, pkg/apis/cel/config.go; github.com/google/cel-go/checker/cost.go
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from math import ceil, inf
from typing import Any

import msgspec

PER_CALL = 1_000_000
"""The cost of one evaluation of one expression, at most."""
PER_REQUEST = 10_000_000
"""The cost of all rules of an object, or of one binding of a policy."""
MATCH_CONDITIONS = 2_500_000
"""The cost of the matchConditions of one webhook."""
DEFINED = 10_000_000
"""The estimated cost of one rule of a CustomResourceDefinition."""
DEFINED_TOGETHER = 100_000_000
"""The estimated cost of all rules of one version of a CustomResourceDefinition."""
EXCEEDED = "operation cancelled: actual cost limit exceeded"

_LIST, _MAP = 10, 30
_CHECK = 350_000
Cost = float
"""A number of units; inf for one without a bound."""


def _share(size: float, factor: float = 0.1) -> Cost:
    return size * factor if size == inf else ceil(size * factor)


def _product(one: Cost, other: Cost) -> Cost:
    return 0 if 0 in (one, other) else one * other


def _search(sizes: Sequence[float]) -> Cost:
    return _product(_share(sizes[0] + 1), _share(sizes[1], 0.25))


def _first(sizes: Sequence[float]) -> Cost:
    return _share(sizes[0])


def _twice(sizes: Sequence[float]) -> Cost:
    return _share(sizes[0], 0.2)


def _compared(sizes: Sequence[float]) -> Cost:
    return _share(min(sizes[0], sizes[1]))


def _elements(sizes: Sequence[float]) -> Cost:
    return sizes[0]


COSTS: Mapping[str, Callable[[Sequence[float]], Cost]] = {
    **dict.fromkeys(("matches", "find", "findAll"), _search),
    "contains": lambda sizes: _product(_share(sizes[0]), _share(sizes[1])),
    **dict.fromkeys(("startsWith", "endsWith"), _compared),
    "@in": lambda sizes: sizes[1],
    **dict.fromkeys(("_==_", "_!=_", "_<_", "_<=_", "_>_", "_>=_"), _compared),
    "_+_": lambda sizes: _share(sizes[0] + sizes[1]),
    **dict.fromkeys(("lowerAscii", "upperAscii", "substring", "trim", "reverse", "strings.quote", "format"), _first),
    **dict.fromkeys(("bytes", "string", "url", "cidr", "ip", "isIP", "isCIDR", "quantity", "isQuantity"), _first),
    "validate": lambda sizes: _share(sizes[1]),
    "jsonpatch.escapeKey": _first,
    **dict.fromkeys(("replace", "split", "ip.isCanonical"), _twice),
    "join": lambda sizes: _share(_product(sizes[0], sizes[1] if len(sizes) > 1 else 1)),
    **dict.fromkeys(("isSorted", "sum", "min", "max", "indexOf", "lastIndexOf"), _elements),
    **dict.fromkeys(("distinct", "sort", "flatten", "slice", "@sortByAssociatedKeys"), _elements),
    **dict.fromkeys(("sets.contains", "sets.intersects"), lambda sizes: 1 + _product(sizes[0], sizes[1])),
    "sets.equivalent": lambda sizes: 1 + _product(2 * sizes[0], sizes[1]),
    "lists.range": _elements,
    "check": lambda sizes: _CHECK,
}
_SAME = frozenset(("lowerAscii", "upperAscii", "substring", "trim", "reverse", "charAt", "distinct", "sort", "slice"))
_SIMPLE = frozenset(("bool", "int", "uint", "double", "null"))
_LOGICAL = frozenset(("_&&_", "_||_"))


class Size(msgspec.Struct, frozen=True):
    """The largest that a value can be. count: elements of a list or map; text: characters. node: its schema, if any."""

    count: float = 1
    text: float = 1
    node: Any = None

    @property
    def either(self) -> float:
        return max(self.count, self.text)

    def joined(self, other: Size) -> Size:
        return Size(max(self.count, other.count), max(self.text, other.text), self.node or other.node)


ONE = Size()
Inner = Callable[[Size, str], Size]
"""The size of what is inside of a value: of the field of that name, "@keys" or "@items" of any."""


def measured(*values: Any) -> Size:
    """The largest list (or map) and the longest text anywhere in JSON-like values."""
    count, text, waiting = 1, 1, list(values)
    while waiting:
        value = waiting.pop()
        if isinstance(value, str):
            text = max(text, len(value))
        elif isinstance(value, dict):
            count = max(count, len(value))
            text = max(text, max(map(len, map(str, value)), default=1))
            waiting += value.values()
        elif isinstance(value, list):
            count = max(count, len(value))
            waiting += value
    return Size(count, text)


def estimate(
    expression: Any,
    types: Mapping[int, Any],
    variables: Mapping[str, Size],
    inner: Inner,
    check: Cost = _CHECK,
) -> Cost:
    """The largest cost that evaluating a checked expression can have; inf where sizes have no bound.

    expression, types: expr and type_map of a cel.expr.CheckedExpr. variables: their sizes.
    inner: the sizes inside of them. check: of a question to `authorizer`.
    """
    return _Estimate(types, inner, check).of(expression, dict(variables))[0]


class _Estimate(msgspec.Struct, frozen=True):
    types: Mapping[int, Any]
    inner: Inner
    check: Cost

    def of(self, expression: Any, variables: dict[str, Size]) -> tuple[Cost, Size]:
        """The cost and the size of the value."""
        kind = expression.WhichOneof("expr_kind")
        if kind == "const_expr":
            return 0, _literal(expression.const_expr)
        if kind == "ident_expr":
            return 1, variables.get(expression.ident_expr.name, ONE)
        if kind == "select_expr":
            cost, size = self.of(expression.select_expr.operand, variables)
            test = expression.select_expr.test_only
            return cost + 1, ONE if test else self._sized(expression, self.inner(size, expression.select_expr.field))
        if kind == "call_expr":
            return self._call(expression, variables)
        if kind == "list_expr":
            parts = [self.of(each, variables) for each in expression.list_expr.elements]
            return _LIST + sum(cost for cost, _ in parts), self._around(len(parts), [size for _, size in parts])
        if kind == "struct_expr":
            entries = expression.struct_expr.entries
            parts = [self.of(each.value, variables) for each in entries]
            keys = sum(self.of(each.map_key, variables)[0] for each in entries if each.HasField("map_key"))
            return _MAP + keys + sum(cost for cost, _ in parts), self._around(len(parts), [size for _, size in parts])
        return self._comprehension(expression.comprehension_expr, variables)

    @staticmethod
    def _around(count: int, sizes: Sequence[Size]) -> Size:
        """A list or map of `count`; what is inside is as large as its largest part."""
        found = Size(count, 1)
        for each in sizes:
            found = found.joined(each)
        return Size(max(count, found.count), found.text, found.node)

    def _sized(self, expression: Any, size: Size) -> Size:
        """`size`, or one where the type says that the value is a number or the like."""
        known = self.types.get(expression.id)
        if known is None:
            return size
        kind = known.WhichOneof("type_kind")
        if kind == "primitive":
            return Size(1, size.text, size.node) if known.primitive in (5, 6) else ONE
        return ONE if kind == "well_known" and known.well_known in (2, 3) else size

    def _comprehension(self, fold: Any, variables: dict[str, Size]) -> tuple[Cost, Size]:
        cost, around = self.of(fold.iter_range, variables)
        first, start = self.of(fold.accu_init, variables)
        values = self.inner(around, "@items")
        keys = Size(1, max(around.text, values.text)) if fold.iter_var2 else values
        inside = {**variables, fold.accu_var: start, fold.iter_var: keys}
        if fold.iter_var2:
            inside[fold.iter_var2] = values
        if fold.accu_init.WhichOneof("expr_kind") in ("list_expr", "struct_expr"):
            inside[fold.accu_var] = Size(around.count, max(around.text, values.text), values.node)
        step, made = self.of(fold.loop_step, inside)
        step += self.of(fold.loop_condition, inside)[0]
        last, result = self.of(fold.result, {**inside, fold.accu_var: inside[fold.accu_var].joined(made)})
        empty = fold.iter_range.WhichOneof("expr_kind") == "list_expr" and not fold.iter_range.list_expr.elements
        return cost + first + last + (0 if empty else _product(around.count, step)), result

    def _call(self, expression: Any, variables: dict[str, Size]) -> tuple[Cost, Size]:
        call = expression.call_expr
        parts = [self.of(each, variables) for each in arguments(call)]
        costs, sizes = [cost for cost, _ in parts], [size for _, size in parts]
        name = call.function
        if name in _LOGICAL:
            return sum(costs), ONE
        if name == "_?_:_":
            return costs[0] + max(costs[1:]), sizes[1].joined(sizes[2])
        if name in ("_[_]", "_[?_]", "_?._"):
            return 1 + sum(costs), self._sized(expression, self.inner(sizes[0], "@items"))
        if name == "lists.range":
            value = call.args[0].const_expr.int64_value if call.args[0].HasField("const_expr") else inf
            sizes = [Size(max(value, 0))]
        known = self.types.get(expression.id)
        scalar = name == "_+_" and known is not None and known.WhichOneof("type_kind") not in ("dyn", "primitive")
        if name == "check":
            return sum(costs) + self.check, ONE
        own = COSTS[name](self._asked(name, sizes)) if name in COSTS and not scalar else 1
        return sum(costs) + max(own, 1), self._sized(expression, self._result(name, sizes))

    @staticmethod
    def _asked(name: str, sizes: Sequence[Size]) -> Sequence[float]:
        if name.startswith(("sets.", "lists.")) or name in ("@in", "isSorted", "sum", "min", "max", "distinct", "sort"):
            return [each.count for each in sizes]
        if name in ("flatten", "slice", "@sortByAssociatedKeys"):
            return [each.count for each in sizes]
        if name == "join":
            return [sizes[0].count, sizes[0].text + (sizes[1].text if len(sizes) > 1 else 0)]
        if name in ("_==_", "_!=_", "indexOf", "lastIndexOf"):
            return [each.either for each in sizes]
        return [each.text for each in sizes]

    @staticmethod
    def _result(name: str, sizes: Sequence[Size]) -> Size:
        one = sizes[0] if sizes else ONE
        if name in _SAME:
            return one
        if name == "_+_":
            return Size(one.count + sizes[1].count, one.text + sizes[1].text, one.node or sizes[1].node)
        if name == "replace" and len(sizes) > 2:
            return Size(1, (one.text + 1) * (sizes[2].text + 1))
        if name in ("split", "findAll"):
            return Size(one.text + 1, one.text)
        if name == "join":
            return Size(1, _product(one.count, one.text + (sizes[1].text if len(sizes) > 1 else 0)))
        if name == "flatten":
            return Size(_product(one.count, one.count), one.text, one.node)
        if name == "format":
            return Size(1, inf)
        found = Size(1, 64)
        for each in sizes:
            found = found.joined(each)
        return found


def arguments(call: Any) -> list[Any]:
    """The target of a call, if it has one, and its arguments."""
    return [*([call.target] if call.HasField("target") else ()), *call.args]


def _literal(constant: Any) -> Size:
    kind = constant.WhichOneof("constant_kind")
    return Size(1, len(getattr(constant, kind))) if kind in ("string_value", "bytes_value") else ONE
