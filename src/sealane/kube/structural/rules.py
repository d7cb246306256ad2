"""x-kubernetes-validations: CEL rules of a schema on an object, and on what it was before.

Source: k8s.io/apiextensions-apiserver/pkg/apiserver/schema/cel, KEP-2876 and, for what did not change, KEP-4008
"""

from __future__ import annotations

import base64
import re
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from sealane.kube.cel.budget import Spent, within, without_managers
from sealane.kube.cel.costs import PER_REQUEST
from sealane.kube.cel.environment import CelError, Program, compiled, duration, timestamp
from sealane.kube.cel.names import escaped
from sealane.kube.cel.tracked import Exceeded
from sealane.kube.gotext import quoted
from sealane.kube.objects import Raw
from sealane.kube.structural.limits import Cause
from sealane.kube.structural.node import MISSING, Node, Rule
from sealane.kube.structural.paths import at, field

_LONGEST_MESSAGE = 5 * 1024
_LARGEST = 10**300
_TYPES = {"integer": "int", "number": "double", "boolean": "bool", "array": "list<dyn>", "object": "map<string,dyn>"}
_STRINGS: dict[str, tuple[str, Callable[[str], Any]]] = {
    "date-time": ("timestamp", timestamp),
    "datetime": ("timestamp", timestamp),
    "date": ("timestamp", timestamp),
    "duration": ("duration", duration),
    "byte": ("bytes", lambda text: base64.b64decode(text)),
}
_REASONS = {
    "FieldValueForbidden": "Forbidden: {why}",
    "FieldValueRequired": "Required value: {why}",
    "FieldValueDuplicate": "Duplicate value: {value}",
}
_LITERALS = re.compile(r"""r?(?:\"{3}.*?\"{3}|'{3}.*?'{3}|"(?:\\.|[^"\\])*"|'(?:\\.|[^'\\])*')""", re.DOTALL)
_OLD = re.compile(r"\boldSelf\b")
_OPTIONAL_OLD = "(__had_old ? optional.of(__old) : optional.none())"


@dataclass(frozen=True, slots=True)
class Checker:
    """A compiled rule. uses_old: it is about the change. message: computes the message, if the rule says how."""

    program: Program
    uses_old: bool
    message: Program | None = None


def type_of(node: Node) -> str:
    """The CEL type of the values at `node`."""
    if node.type == "string":
        return _STRINGS.get(str(node.schema.get("format")), ("string", str))[0]
    return _TYPES.get(node.type, "dyn")


@lru_cache(maxsize=4096)
def checker(rule: Rule, type_: str) -> Checker:
    """Raises CelError when the rule or its messageExpression does not compile."""
    own = (("self", type_),)
    uses_old = _OLD.search(_LITERALS.sub("''", rule.rule)) is not None
    text = rule.rule
    variables: tuple[tuple[str, str], ...]
    if rule.optional_old_self:
        variables = (*own, ("__had_old", "bool"), ("__old", "dyn"))
        text = _without_old(text)
    else:
        variables = (*own, ("oldSelf", type_)) if uses_old else own
    program = compiled(text.strip(), variables)
    message = None
    if rule.message_expression.strip():
        expression = _without_old(rule.message_expression) if rule.optional_old_self else rule.message_expression
        about_old = _OLD.search(_LITERALS.sub("''", rule.message_expression)) is not None and not uses_old
        message = compiled(expression.strip(), (*own, ("oldSelf", type_)) if about_old else variables)
    return Checker(program, uses_old, message)


def _without_old(text: str) -> str:
    """`text` where oldSelf is an optional value: of variables, since only expressions can make such values."""
    parts, end = [], 0
    for literal in _LITERALS.finditer(text):
        parts += [_OLD.sub(_OPTIONAL_OLD, text[end : literal.start()]), literal[0]]
        end = literal.end()
    return "".join([*parts, _OLD.sub(_OPTIONAL_OLD, text[end:])])


def rule_causes(node: Node, raw: Raw, old: Raw | None, warnings: list[str]) -> list[Cause]:
    """Broken rules of a whole object. old: before the update, None for a new object.

    warnings: the broken ones about parts that did not change.
    """
    if not node.has_rules:
        return []
    found, told = within(
        PER_REQUEST,
        lambda: _judged(node, raw, old),
        judged,
        *(node.schema, raw, old),
        key=(node.schema, without_managers(raw), without_managers(old)),
    )
    warnings += told
    return found


def judged(schema: Mapping[str, Any], raw: Raw, old: Raw | None) -> tuple[list[Cause], list[str]]:
    """Broken rules and warnings of an object, by its whole schema: see `rule_causes`."""
    return _judged(Node.of(schema), raw, old)


def _judged(node: Node, raw: Raw, old: Raw | None) -> tuple[list[Cause], list[str]]:
    walk = _Walk([], [])
    with suppress(_NoMore):
        walk.visit(node, raw, MISSING if old is None else old, "", False, root=True)
    return walk.causes, walk.warnings


class _NoMore(Exception):
    """The budget is used up: no further rule is evaluated."""


@dataclass(frozen=True, slots=True)
class _Walk:
    causes: list[Cause]
    warnings: list[str]

    def visit(self, node: Node, value: Any, old: Any, path: str, same: bool, root: bool = False) -> None:
        """old: MISSING where nothing compares. same: something around this compares and did not change."""
        if value is None or not node.has_rules:
            return
        unchanged = value == old if old is not MISSING else same
        if node.rules:
            self._evaluate(node, node, value, old, path, unchanged, root)
        for each in node.all_of:
            self._alternative(each, node, value, old, path, same, root)
        if isinstance(value, dict):
            comparable = isinstance(old, dict) and node.map_type != "atomic"
            for name, each in value.items():
                inner = node.properties.get(name)
                where = field(path, name) if inner is not None else at(path, name)
                inner = inner if inner is not None else node.additional
                if inner is not None and inner.has_rules:
                    was = old.get(name, MISSING) if comparable else MISSING
                    self.visit(inner, each, was, where, unchanged)
        elif isinstance(value, list) and node.items is not None and node.items.has_rules:
            before: dict[Any, Any] = {}
            if node.list_type == "map" and isinstance(old, list):
                before = {_key(node, each): each for each in old}
            for index, each in enumerate(value):
                was = before.get(_key(node, each), MISSING)
                self.visit(node.items, each, was, f"{path}[{index}]", unchanged)

    def _alternative(self, part: Node, node: Node, value: Any, old: Any, path: str, same: bool, root: bool) -> None:
        """Rules in an element of allOf, which sees values with the types of `node`."""
        if part.rules:
            self._evaluate(part, node, value, old, path, same, root)
        for each in part.all_of:
            self._alternative(each, node, value, old, path, same, root)

    def _evaluate(self, rules: Node, node: Node, value: Any, old: Any, path: str, same: bool, root: bool) -> None:
        kind = node.type or ""
        where = path or "<nil>"
        variables: dict[str, Any] = {"self": seen(node, value, root)}
        before = None
        if old is not MISSING and old is not None:
            before = variables["oldSelf"] = seen(node, old, root)
        variables |= {"__had_old": before is not None, "__old": before}
        for rule in rules.rules:
            try:
                found = checker(rule, type_of(node))
            except CelError as error:
                why = f"rule compile error: compilation failed: {error}"
                self.causes.append((where, "FieldValueInvalid", f"Invalid value: {quoted(kind)}: {why}"))
                continue
            if found.uses_old and before is None and not rule.optional_old_self:
                continue  # a transition needs two states
            try:
                if found.program.holds(variables):
                    continue
            except (Exceeded, Spent) as error:
                self.causes.append((where, "FieldValueInvalid", f"Invalid value: {quoted(kind)}: {_why(error, rule)}"))
                raise _NoMore from None
            except CelError as error:
                self.causes.append((where, "FieldValueInvalid", f"Invalid value: {quoted(kind)}: {_why(error, rule)}"))
                continue
            spot = where
            if rule.field_path:
                spot = f"{path}.{normal_path(rule.field_path)}" if path else normal_path(rule.field_path)
            said = _REASONS.get(rule.reason, "Invalid value: {value}: {why}")
            message = said.format(value=quoted(kind), why=_message(rule, found, variables))
            if same and not found.uses_old:
                self.warnings.append(f"{spot}: {message}")
            else:
                self.causes.append((spot, rule.reason or "FieldValueInvalid", message))


def _why(error: CelError, rule: Rule) -> str:
    name = (rule.message or rule.rule).strip()
    if isinstance(error, Spent):
        return f"validation failed due to {error}, no further validation rules will be run"
    if isinstance(error, Exceeded):
        return f"'{error}': no further validation rules will be run due to call cost exceeds limit for rule: {name}"
    if str(error).startswith("no such overload"):
        said = "call arguments did not match a supported operator, function or macro signature for rule"
        return f"'{error}': {said}: {name}"
    return f"{error} evaluating rule: {name}"


def _message(rule: Rule, found: Checker, variables: dict[str, Any]) -> str:
    default = rule.message.strip() or f"failed rule: {rule.rule.strip()}"
    if found.message is None:
        return default
    try:
        text = found.message.value(variables)
    except CelError:
        return default
    text = text.strip() if isinstance(text, str) else ""
    return text if text and "\n" not in text and len(text.encode()) <= _LONGEST_MESSAGE else default


def normal_path(path: str) -> str:
    """A fieldPath as a field path is printed: ".spec['a.b'].c" -> "spec[a.b].c"."""
    return re.sub(r"\['((?:\\.|[^'\\])*)'\]", lambda found: f"[{found[1]}]", path).lstrip(".")


def seen(node: Node, value: Any, root: bool = False) -> Any:
    """A value as rules see it: names escaped, times as times, of metadata only name and generateName."""
    if value is None:
        return None
    if node.type == "number" and isinstance(value, int) and not isinstance(value, bool):
        return float(value) if abs(value) < _LARGEST else value
    if isinstance(value, str):
        if node.type == "string" and (form := str(node.schema.get("format") or "")) in _STRINGS:
            return _converted(form, value)
        return value
    if isinstance(value, dict):
        whole = root or node.embedded
        if node.literal and not whole:
            return value
        made: dict[str, Any] = {}
        for name, each in value.items():
            inner = node.properties.get(name)
            if whole and name == "metadata" and isinstance(each, dict):
                made[name] = {key: each[key] for key in ("name", "generateName") if key in each}
            elif inner is not None:
                made[escaped(name) or name] = each if inner.literal else seen(inner, each)
            elif node.additional is not None:
                made[name] = each if node.additional.literal else seen(node.additional, each)
            else:
                made[name] = each
        return made
    if isinstance(value, list) and node.items is not None and not node.items.literal:
        return [seen(node.items, each) for each in value]
    return value


def _converted(form: str, value: str) -> Any:
    try:
        return _STRINGS[form][1](value)
    except (ValueError, TypeError):
        return value  # its format was complained of


def _key(node: Node, item: Any) -> Any:
    return tuple(str(item.get(key)) for key in node.keys) if isinstance(item, dict) else None
