"""Evaluation that counts what it costs, step by step, and ends where the cost is too high.

The runtime (C++) has no option for costs and ends every evaluation after 10,000 iterations. So what decides how often
something is evaluated is done here (loops, and, or, choices), with the calls whose cost depends on sizes, and the
runtime evaluates the parts between, each of which costs the same whatever the values are.
It is some times slower than the runtime alone: `environment` has only those expressions evaluated so that might cost
much. Source: https://github.com/google/cel-spec/blob/master/doc/langdef.md and cel-go's interpreter/runtimecost.go
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import msgspec

from sealane.kube.cel.costs import COSTS, EXCEEDED, PER_CALL, arguments

Variables = dict[str, Any]
Step = Callable[["Count", Variables], Any]
Runs = Callable[[Any], Callable[[Variables], Any]]
"""Makes a function of an expression: the runtime's value of it, as JSON-like values. Both raise CelError."""


class CelError(Exception):
    """An expression that does not compile, or that has no value: the reason in the words of cel-go."""


class Exceeded(CelError):
    """An evaluation that costs more than it may."""


_NATIVE: Mapping[str, Callable[[Any, Any], bool]] = {
    "_==_": operator.eq,
    "_!=_": operator.ne,
    "_<_": operator.lt,
    "_<=_": operator.le,
    "_>_": operator.gt,
    "_>=_": operator.ge,
}
"""What needs no runtime for two texts or two integers."""
_TEXTS = (5, 6)  # STRING and BYTES of cel.expr.Type.PrimitiveType
_GUARDS = frozenset(("_?_:_", "or", "orValue"))


class Count(msgspec.Struct):
    """What was spent of one evaluation."""

    spent: float = 0
    limit: float = PER_CALL

    def add(self, cost: float) -> None:
        self.spent += cost
        if self.spent > self.limit:
            raise Exceeded(EXCEEDED)


class Builder(msgspec.Struct, frozen=True):
    """Makes steps of a checked expression. types: type_map of cel.expr.CheckedExpr. runs: the runtime."""

    types: Mapping[int, Any]
    runs: Runs
    replaced: Callable[[Any, Mapping[int, str]], Any]
    """A copy of an expression in which those parts (by id) are variables of those names."""

    def step(self, expression: Any) -> Step:
        kind = expression.WhichOneof("expr_kind")
        if kind == "ident_expr":
            return _variable(expression.ident_expr.name)
        if kind == "comprehension_expr":
            return self._loop(expression.comprehension_expr)
        if kind == "call_expr" and self._own(expression):
            return self._call(expression)
        return self._rest(expression)

    def _own(self, expression: Any) -> bool:
        """Whether it is done here. What makes optional values is the runtime's, which gives none to anybody."""
        kind = expression.WhichOneof("expr_kind")
        if kind == "comprehension_expr":
            return not self._optional(expression)
        if kind != "call_expr" or self._optional(expression):
            return False
        name = expression.call_expr.function
        if any(self._optional(each) for each in arguments(expression.call_expr)):
            return False
        return name in ("_&&_", "_||_", "_?_:_", "!_", "@not_strictly_false") or (
            name in COSTS and not self._constant(expression)
        )

    def _optional(self, expression: Any) -> bool:
        known = self.types.get(expression.id)
        return known is not None and known.WhichOneof("type_kind") == "abstract_type"

    def _constant(self, expression: Any) -> bool:
        """Whether a call costs one unit, whatever the values are: a sum of numbers."""
        return expression.call_expr.function == "_+_" and self._scalar(expression)

    def _scalar(self, expression: Any) -> bool:
        known = self.types.get(expression.id)
        if known is None:
            return False
        kind = known.WhichOneof("type_kind")
        return kind == "null" or (kind == "primitive" and known.primitive not in _TEXTS)

    # Parts

    def _rest(self, expression: Any) -> Step:
        """An expression of the runtime's. The parts in it that are done here are its variables."""
        found: list[Any] = []
        cost = 1 if self._guards(expression) else self._spread(expression, found)
        simple = _simple(expression)
        if simple is not None:
            return simple
        names = {each.id: f"__part_{index}" for index, each in enumerate(found)}
        parts = [(names[each.id], self.step(each)) for each in found]
        run = self.runs(self.replaced(expression, names) if found else expression)

        def step(count: Count, variables: Variables) -> Any:
            if parts:
                variables = {**variables, **{name: part(count, variables) for name, part in parts}}
            count.add(cost)
            return run(variables)

        return step

    def _spread(self, expression: Any, found: list[Any]) -> int:
        """The cost of `expression` without the parts that are done here, which are added to `found`."""
        kind = expression.WhichOneof("expr_kind")
        if kind == "ident_expr":
            return 1
        if kind == "select_expr":
            return 1 + self._inside(expression.select_expr.operand, found)
        if kind == "call_expr":
            return 1 + sum(self._inside(each, found) for each in arguments(expression.call_expr))
        if kind == "list_expr":
            return 10 + sum(self._inside(each, found) for each in expression.list_expr.elements)
        if kind == "struct_expr":
            entries = expression.struct_expr.entries
            cost = 30 + sum(self._inside(each.value, found) for each in entries)
            return cost + sum(self._inside(each.map_key, found) for each in entries if each.HasField("map_key"))
        return 0  # a constant, or a loop that makes an optional value

    def _inside(self, expression: Any, found: list[Any]) -> int:
        if self._own(expression):
            found.append(expression)
            return 0
        if self._guards(expression):
            return 1
        return self._spread(expression, found)

    def _guards(self, expression: Any) -> bool:
        """Whether only the runtime may evaluate its parts, and perhaps not all: a choice between optional values."""
        return expression.WhichOneof("expr_kind") == "call_expr" and expression.call_expr.function in _GUARDS

    def _call(self, expression: Any) -> Step:
        call = expression.call_expr
        name = call.function
        if name == "_&&_":
            return _decided(self.step(call.args[0]), self.step(call.args[1]), False)
        if name == "_||_":
            return _decided(self.step(call.args[0]), self.step(call.args[1]), True)
        if name == "_?_:_":
            return _chosen(*(self.step(each) for each in call.args))
        if name == "@not_strictly_false":
            return _not_strictly_false(self.step(call.args[0]))
        parts = arguments(call)
        steps = [self.step(each) for each in parts]
        if name == "!_":
            return _negated(steps[0])
        names = [f"__part_{index}" for index in range(len(parts))]
        run = self.runs(self.replaced(expression, {each.id: part for each, part in zip(parts, names, strict=True)}))
        own = COSTS[name]
        native = _NATIVE.get(name)

        def step(count: Count, variables: Variables) -> Any:
            values = [each(count, variables) for each in steps]
            count.add(max(own(_sizes(name, values)), 1))
            if native is not None and type(values[0]) is type(values[1]) and type(values[0]) in (str, int):
                return native(*values)
            return run(dict(zip(names, values, strict=True)))

        return step

    # Loops

    def _loop(self, fold: Any) -> Step:
        around, start = self.step(fold.iter_range), self.step(fold.accu_init)
        condition, step = self.step(fold.loop_condition), self._growing(fold, fold.loop_step)
        result = self.step(fold.result)
        accumulator, one, two = fold.accu_var, fold.iter_var, fold.iter_var2

        def loop(count: Count, variables: Variables) -> Any:
            values = around(count, variables)
            inside = {**variables}
            first = start(count, variables)
            inside[accumulator] = first.copy() if isinstance(first, list | dict) else first
            for key, value in _pairs(values, bool(two)):
                inside[one] = key
                if two:
                    inside[two] = value
                if condition(count, inside) is not True:
                    break
                try:
                    inside[accumulator] = step(count, inside)
                except Exceeded:
                    raise
                except CelError as error:  # `&&` and `||` may yet decide without it
                    inside[accumulator] = error
            return result(count, inside)

        return loop

    def _growing(self, fold: Any, expression: Any) -> Step:
        """The step of a loop. One that adds to a list or map adds in place: a copy each time takes square time."""
        call = expression.call_expr
        accumulator = fold.accu_var
        if call.function == "_?_:_" and _is(call.args[2], accumulator):
            return _chosen(self.step(call.args[0]), self._growing(fold, call.args[1]), _variable(accumulator))
        appends = call.function == "_+_" and _is(call.args[0], accumulator)
        added: Sequence[Any] = call.args[1].list_expr.elements if appends else ()
        if len(added) == 1 and not self._optional(added[0]):
            part = self.step(added[0])

            def append(count: Count, variables: Variables) -> Any:
                found = variables[accumulator]
                if isinstance(found, CelError):
                    raise found
                value = part(count, variables)
                count.add(12)  # a list of one, its variable and the sum
                found.append(value)
                return found

            return append
        return self.step(expression)


def _is(expression: Any, name: str) -> bool:
    return bool(expression.WhichOneof("expr_kind") == "ident_expr" and expression.ident_expr.name == name)


def _pairs(values: Any, two: bool) -> Sequence[tuple[Any, Any]]:
    if isinstance(values, dict):
        return list(values.items())
    if isinstance(values, list):
        return list(enumerate(values)) if two else [(each, None) for each in values]
    raise CelError("no such overload")


def _sizes(name: str, values: Sequence[Any]) -> list[float]:
    sizes: list[float] = [len(each) if isinstance(each, str | list | dict | bytes) else 1 for each in values]
    if name == "@in" and isinstance(values[1], dict):
        return [1, 1]
    if name == "join":
        return [sum(len(str(each)) for each in values[0]), 2]
    if name == "_+_" and not isinstance(values[0], str):
        return [1, 1]
    if name == "lists.range":
        return [values[0] if isinstance(values[0], int) else 1]
    return sizes


def _simple(expression: Any) -> Step | None:
    """A constant, or fields of a variable, without the runtime where all is as it should be."""
    kind = expression.WhichOneof("expr_kind")
    if kind == "const_expr":
        which = expression.const_expr.WhichOneof("constant_kind")
        if which not in ("bool_value", "int64_value", "string_value"):
            return None
        value = getattr(expression.const_expr, which)
        return lambda count, variables: value
    if kind == "list_expr" and not expression.list_expr.elements:
        return _made(10, list)
    if kind == "struct_expr" and not expression.struct_expr.entries:
        return _made(30, dict)
    if kind != "select_expr" or expression.select_expr.operand.WhichOneof("expr_kind") not in (
        "ident_expr",
        "select_expr",
    ):
        return None
    if expression.select_expr.operand.WhichOneof("expr_kind") == "ident_expr":
        operand: Step | None = _variable(expression.select_expr.operand.ident_expr.name)
    else:
        operand = _simple(expression.select_expr.operand)
    if operand is None:
        return None
    around, field, test = operand, expression.select_expr.field, expression.select_expr.test_only

    def select(count: Count, variables: Variables) -> Any:
        value = around(count, variables)
        count.add(1)
        if not isinstance(value, dict):
            raise CelError("no such overload")
        if test:
            return field in value
        if field not in value:
            raise CelError(f"no such key: {field}")
        return value[field]

    return select


def _made(cost: int, empty: Callable[[], Any]) -> Step:
    def made(count: Count, variables: Variables) -> Any:
        count.add(cost)
        return empty()

    return made


def _variable(name: str) -> Step:
    def variable(count: Count, variables: Variables) -> Any:
        count.add(1)
        value = variables[name]
        if isinstance(value, CelError):
            raise value
        return value

    return variable


def _decided(left: Step, right: Step, by: bool) -> Step:
    """Or (by true) and and (by false): one side that decides does so whatever the other is, also an error."""

    def decided(count: Count, variables: Variables) -> Any:
        failed: CelError | None = None
        for side in (left, right):
            try:
                value = side(count, variables)
            except Exceeded:
                raise
            except CelError as error:
                failed = failed or error
                continue
            if value is by:
                return by
            if not isinstance(value, bool):
                failed = failed or CelError("no such overload")
        if failed is not None:
            raise failed
        return not by

    return decided


def _chosen(condition: Step, yes: Step, no: Step) -> Step:
    def chosen(count: Count, variables: Variables) -> Any:
        value = condition(count, variables)
        if not isinstance(value, bool):
            raise CelError("no such overload")
        return (yes if value else no)(count, variables)

    return chosen


def _negated(inner: Step) -> Step:
    def negated(count: Count, variables: Variables) -> Any:
        value = inner(count, variables)
        count.add(1)
        if not isinstance(value, bool):
            raise CelError("no such overload")
        return not value

    return negated


def _not_strictly_false(inner: Step) -> Step:
    def whether(count: Count, variables: Variables) -> Any:
        count.add(1)
        try:
            return inner(count, variables) is not False
        except Exceeded:
            raise
        except CelError:
            return True

    return whether
