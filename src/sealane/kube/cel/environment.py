"""Compiling and evaluating expressions. The only place that knows the runtime.

What can cost little is evaluated by the runtime, in one go; what might cost much step by step (`tracked`).
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from functools import lru_cache
from typing import Any

import msgspec

from sealane.kube.cel.budget import charged, spent
from sealane.kube.cel.costs import PER_CALL, Cost, Size, arguments, estimate, measured
from sealane.kube.cel.declarations import OVERLOADS
from sealane.kube.cel.formats import with_optionals
from sealane.kube.cel.tracked import Builder, CelError, Count, Step, Variables

__all__ = ["CelError", "Program", "compiled", "duration", "timestamp"]

_CONFIG = "name: kubernetes\nextensions:\n" + "".join(
    f"  - name: {name}\n" for name in ("optional", "strings", "sets", "lists", "two-var-comprehensions", "bindings")
)
_STATUS = re.compile(r"^[A-Z_]+: (.*?)(?: \[[A-Z_]+\])?$", re.DOTALL)
_MISSING = re.compile(r'Key not found in map : "?(.*?)"?$')
_INDEX = re.compile(r"Index error: index=(-?\d+) size=\d+")
_CHECK = 1000
_FRESH = 1 << 40
_REFUSED = (RuntimeError, OverflowError, TypeError, ValueError)
"""What the runtime raises for values that it cannot hold, such as integers of more than 64 bits."""
_WORDS = {"divide by zero": "division by zero", "modulus by zero": "modulus by zero"}


class Program(msgspec.Struct, frozen=True, eq=False):
    """A compiled expression. Evaluating it changes nothing, and costs no more than `budget` lets it."""

    expression: str
    _compiled: Any
    _environment: Any = None

    def value(self, variables: Mapping[str, Any]) -> Any:
        """The value of the expression, as JSON-like values. Raises CelError, budget.Costly."""
        if not charged(lambda: _cost(self, variables)):
            return tracked_value(self, variables)
        return _evaluated(self._compiled, variables)

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Whether the value is true. Raises CelError, budget.Costly."""
        return self.value(variables) is True


def tracked_value(program: Program, variables: Mapping[str, Any]) -> Any:
    """The same, step by step: it ends where the cost is too high. Raises CelError."""
    count = Count()
    try:
        return _steps(program)(count, dict(variables))
    finally:
        spent(count.spent)


def _evaluated(compiled: Any, variables: Mapping[str, Any]) -> Any:
    try:
        found = compiled.eval(data=variables)
        value = found.plain_value()
    except _REFUSED as error:
        raise CelError(_said(str(error))) from None
    if found.type().name() == "ERROR":
        raise CelError(_said(str(found.value())))
    return value if type(value) in (bool, str, int, dict) else _taken(value)


def _taken(value: Any) -> Any:
    """A value that the runtime gave as it takes it."""
    if isinstance(value, datetime):
        return timestamp(value.isoformat())
    if isinstance(value, timedelta):
        from google.protobuf.duration_pb2 import Duration

        found = Duration()
        found.FromTimedelta(value)
        return found
    if isinstance(value, bytearray):
        return bytes(value)
    return [_taken(each) for each in value] if isinstance(value, list) else value


def _cost(program: Program, variables: Mapping[str, Any]) -> Cost:
    """The largest cost that the program can have with these values."""
    fixed = _fixed(program)
    if fixed is not None:
        return fixed
    size = measured(*variables.values())
    return _at_once(program, _rounded(size.count), _rounded(size.text))


@lru_cache(maxsize=4096)
def _fixed(program: Program) -> Cost | None:
    """The cost of a program that costs the same whatever the values are."""
    one, two = _at_once(program, 1, 1), _at_once(program, 1 << 20, 1 << 20)
    return one if one == two else None


@lru_cache(maxsize=16384)
def _at_once(program: Program, count: int, text: int) -> Cost:
    """The cost of doing it in one go. A few checks of `authorizer` are quick here, and cost much by the rules only."""
    size = Size(count, text)
    checked = tree(program)
    names = dict.fromkeys(_names(checked), size)
    found = estimate(checked.expr, dict(checked.type_map), names, lambda around, _field: around)
    if found > PER_CALL:
        return found
    return estimate(checked.expr, dict(checked.type_map), names, lambda around, _field: around, check=_CHECK)


def _names(checked: Any) -> set[str]:
    return {each.name for each in checked.reference_map.values() if each.name}


def _rounded(size: float) -> int:
    """The next power of two, so that there are few different ones."""
    return 1 << (int(size) - 1).bit_length()


def tree(program: Program) -> Any:
    """The checked expression, a cel.expr.CheckedExpr."""
    from cel.expr.checked_pb2 import CheckedExpr
    from google.protobuf.any_pb2 import Any as Packed

    packed, checked = Packed(), CheckedExpr()
    packed.ParseFromString(program._compiled.serialize())
    packed.Unpack(checked)
    return checked


@lru_cache(maxsize=256)
def _steps(program: Program) -> Step:
    from cel.expr.checked_pb2 import CheckedExpr
    from google.protobuf.any_pb2 import Any as Packed

    checked = tree(program)

    def runs(expression: Any) -> Callable[[Variables], Any]:
        part = CheckedExpr()
        part.CopyFrom(checked)
        part.expr.CopyFrom(expression)
        packed = Packed()
        packed.Pack(part)
        compiled = program._environment.deserialize(packed.SerializeToString())
        return lambda variables: _evaluated(compiled, variables)

    return Builder(dict(checked.type_map), runs, _replaced).step(checked.expr)


def _replaced(expression: Any, names: Mapping[int, str]) -> Any:
    """A copy of a cel.expr.Expr in which parts, by their id, are variables."""
    copy = type(expression)()
    copy.CopyFrom(expression)
    waiting = [copy]
    while waiting:
        each = waiting.pop()
        if each.id in names:
            each.ident_expr.name = names[each.id]
            each.id += _FRESH  # what the checker knows of the part is not true of the variable
            continue
        kind = each.WhichOneof("expr_kind")
        if kind == "select_expr":
            waiting.append(each.select_expr.operand)
        elif kind == "call_expr":
            waiting += arguments(each.call_expr)
        elif kind == "list_expr":
            waiting += each.list_expr.elements
        elif kind == "struct_expr":
            waiting += [part for entry in each.struct_expr.entries for part in (entry.map_key, entry.value)]
    return copy


@lru_cache(maxsize=4096)
def compiled(expression: str, variables: tuple[tuple[str, str], ...]) -> Program:
    """variables: (name, type), e.g. ("self", "map<string,dyn>"). Raises CelError with position and reason."""
    environment = _environment(variables)
    try:
        return Program(expression, environment.compile(with_optionals(expression)), environment)
    except RuntimeError as error:
        raise CelError(_in_one_line(_said(str(error)))) from None


@lru_cache(maxsize=64)
def _environment(variables: tuple[tuple[str, str], ...]) -> Any:
    # Imported here: 20 MB that a cluster without such rules does without.
    from cel_expr_python import cel

    types = {"dyn": cel.Type.DYN, "map": cel.Type.MAP, "list": cel.Type.LIST, "string": cel.Type.STRING}
    types |= {"bool": cel.Type.BOOL, "int": cel.Type.INT, "double": cel.Type.DOUBLE, "bytes": cel.Type.BYTES}
    types |= {"timestamp": cel.Type.TIMESTAMP, "duration": cel.Type.DURATION}
    grouped: dict[str, list[Any]] = {}
    for each in OVERLOADS:
        signature = "_".join((*each.parameters, "member" if each.member else "call"))
        overload = cel.Overload(
            f"{each.function}_{signature}",
            return_type=types[each.result],
            parameters=[types[parameter] for parameter in each.parameters],
            is_member=each.member,
            impl=each.computes,
        )
        grouped.setdefault(each.function, []).append(overload)
    return cel.NewEnv(
        config=cel.NewEnvConfigFromYaml(_CONFIG),
        variables={name: types.get(type_) or cel.Type(type_) for name, type_ in variables},
        functions=[cel.FunctionDecl(name, overloads) for name, overloads in grouped.items()],
    )


def _said(text: str) -> str:
    found = _STATUS.match(text)
    text = found[1] if found else text
    if missing := _MISSING.match(text):
        return f"no such key: {missing[1]}"
    if index := _INDEX.match(text):
        return f"index out of bounds: {index[1]}"
    if text.startswith(("No matching overloads found", "Applying SELECT to non-message")):
        return "no such overload"
    return _WORDS.get(text, text)


def _in_one_line(text: str) -> str:
    """The compiler's message, without its drawing of the place (lines of " | …"): line and column say it already."""
    lines = (line.strip() for line in text.split("\n") if not line.startswith(" |"))
    return "; ".join(line for line in lines if line)


def timestamp(text: str) -> Any:
    """A date-time or date of an object as CEL's timestamp. Raises ValueError."""
    from google.protobuf.timestamp_pb2 import Timestamp

    found = Timestamp()
    found.FromJsonString(text if "T" in text.upper() else f"{text}T00:00:00Z")
    return found


def duration(text: str) -> Any:
    """A duration of an object, such as "1h30m", as CEL's. Raises ValueError."""
    from google.protobuf.duration_pb2 import Duration

    units = {"h": 3600 * 10**9, "m": 60 * 10**9, "s": 10**9, "ms": 10**6, "us": 10**3, "µs": 10**3, "ns": 1}
    parts = re.findall(r"(\d+(?:\.\d*)?|\.\d+)(h|ms|m|s|us|µs|ns)", text)
    if not parts and text != "0":
        raise ValueError(f"no duration: {text!r}")
    found = Duration()
    total = sum(int(float(number) * units[unit]) for number, unit in parts)
    found.FromNanoseconds(-total if text.startswith("-") else total)
    return found
