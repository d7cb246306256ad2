"""Compiling and evaluating expressions. The only place that knows the runtime."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sealane.kube.cel.declarations import OVERLOADS
from sealane.kube.cel.formats import with_optionals

_CONFIG = "name: kubernetes\nextensions:\n" + "".join(
    f"  - name: {name}\n" for name in ("optional", "strings", "sets", "lists", "two-var-comprehensions", "bindings")
)
_STATUS = re.compile(r"^[A-Z_]+: (.*?)(?: \[[A-Z_]+\])?$", re.DOTALL)
_MISSING = re.compile(r'Key not found in map : "?(.*?)"?$')
_INDEX = re.compile(r"Index error: index=(-?\d+) size=\d+")
_REFUSED = (RuntimeError, OverflowError, TypeError, ValueError)
"""What the runtime raises for values that it cannot hold, such as integers of more than 64 bits."""
_WORDS = {"divide by zero": "division by zero", "modulus by zero": "modulus by zero"}


class CelError(Exception):
    """An expression that does not compile, or that has no value: the reason in the words of cel-go."""


@dataclass(frozen=True, slots=True)
class Program:
    """A compiled expression. Evaluating it changes nothing."""

    expression: str
    _compiled: Any

    def value(self, variables: Mapping[str, Any]) -> Any:
        """The value of the expression, as JSON-like values. Raises CelError."""
        try:
            found = self._compiled.eval(data=variables)
        except _REFUSED as error:
            raise CelError(_said(str(error))) from None
        if found.type().name() == "ERROR":
            raise CelError(_said(str(found.value())))
        return found.plain_value()

    def holds(self, variables: Mapping[str, Any]) -> bool:
        """Whether the value is true. Raises CelError."""
        try:
            found = self._compiled.eval(data=variables)
        except _REFUSED as error:
            raise CelError(_said(str(error))) from None
        value = found.value()
        if value is True or value is False:
            return value
        if found.type().name() == "ERROR":
            raise CelError(_said(str(value)))
        return False


@lru_cache(maxsize=4096)
def compiled(expression: str, variables: tuple[tuple[str, str], ...]) -> Program:
    """variables: (name, type), e.g. ("self", "map<string,dyn>"). Raises CelError with position and reason."""
    try:
        return Program(expression, _environment(variables).compile(with_optionals(expression)))
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
