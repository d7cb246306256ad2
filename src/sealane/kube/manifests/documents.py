"""YAML and JSON text to values with the line of every field, read as kubectl reads it.

kubectl reads YAML 1.1 as sigs.k8s.io/yaml does: `on`, `yes` and `y` are true, 0777 is octal, 1e3 is a number, but dates
and 12:30 stay strings (no sexagesimal numbers); keys that are no strings become strings; a key given twice is an error.
Source: https://yaml.org/type/ and the resolver of go.yaml.in/yaml/v2.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from typing import Any

import msgspec
import yaml
from yaml.cyaml import CParser  # type: ignore[attr-defined]
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode
from yaml.resolver import BaseResolver

from sealane.kube.checks.integers import whole_numbers
from sealane.kube.problems import FieldPath, path_text

_SEPARATOR = re.compile(r"^---(?=\s|$)", re.MULTILINE)
_INTEGER = re.compile(r"[-+]?(0b[01_]+|0x[0-9a-fA-F_]+|0o?[0-7_]+|[0-9][0-9_]*)")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_WORDS: dict[str, Any] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"), True),
    **dict.fromkeys(("n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"), False),
}
_PLAIN = "?"
_TAG = "tag:yaml.org,2002:"
_MOST_VALUES = 500_000
_DEEPEST = 200


class Document(msgspec.Struct, frozen=True):
    """One document. lines: the 1-based line of each field path and list element; line: of its first value."""

    value: Any
    line: int
    lines: dict[FieldPath, int] = msgspec.field(default_factory=dict)


class Unreadable(msgspec.Struct, frozen=True):
    """A document, or a part of one, that cannot be read."""

    line: int
    message: str


def documents(text: str) -> Iterator[Document | Unreadable]:
    """All documents of a file. One that cannot be parsed does not hide the others; empty ones are left out."""
    if text.lstrip()[:1] in ("{", "[") and "\t" in text:
        yield from _json(text)
        return
    for first_line, part in _split(text.removeprefix("\ufeff")):
        yield from _yaml(part, first_line)


def _split(text: str) -> Iterator[tuple[int, str]]:
    """The documents as texts, as kubectl splits them: at lines that begin with "---"."""
    start, line = 0, 1
    for separator in _SEPARATOR.finditer(text):
        yield line, text[start : separator.start()]
        line += text.count("\n", start, separator.end())
        start = separator.end()
    yield line, text[start:]


class _Composer(CParser, BaseResolver):
    """libyaml's parser, which leaves plain scalars for `_scalar` to read."""

    def __init__(self, text: str) -> None:
        CParser.__init__(self, text)
        BaseResolver.__init__(self)

    def resolve(self, kind: type[Node], value: Any, implicit: Any) -> str:
        if kind is ScalarNode and implicit[0]:
            return _PLAIN
        return str(BaseResolver.resolve(self, kind, value, implicit))  # type: ignore[no-untyped-call]


def _yaml(text: str, first_line: int) -> Iterator[Document | Unreadable]:
    try:
        node = _Composer(text).get_single_node()
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = first_line + (mark.line if mark else 0)
        lines = text.split("\n")
        template = any("{{" in each for each in lines[max(0, line - first_line - 1) : line - first_line + 2])
        hint = " (is this a Helm template? render it first: helm template)" if template else ""
        what = ": ".join(each for each in (error.context, error.problem) if each)
        yield Unreadable(line, f"cannot be read as YAML: {what}{hint}")
        return
    except (yaml.YAMLError, RecursionError, ValueError) as error:
        yield Unreadable(first_line, f"cannot be read as YAML: {' '.join(str(error).split())}")
        return
    if node is None or (isinstance(node, ScalarNode) and node.tag == _PLAIN and _WORDS.get(node.value, 0) is None):
        return
    construction = _Construction(first_line)
    try:
        value = construction.value(node, ())
    except _Refused as error:
        yield Unreadable(error.line, error.message)
        return
    yield from construction.problems
    if not construction.problems:
        yield Document(value, construction.line(node), construction.lines)


class _Refused(Exception):
    def __init__(self, line: int, message: str) -> None:
        self.line = line
        self.message = message


class _Construction:
    """Makes values of the nodes of one document and notes where each stands."""

    def __init__(self, first_line: int) -> None:
        self.first_line = first_line
        self.lines: dict[FieldPath, int] = {}
        self.problems: list[Unreadable] = []
        self.count = 0

    def line(self, node: Node) -> int:
        return self.first_line + int(node.start_mark.line)

    def value(self, node: Node, path: FieldPath) -> Any:
        self.count += 1
        if self.count > _MOST_VALUES or len(path) > _DEEPEST:
            raise _Refused(self.line(node), "nested too deep, or an alias refers to itself")
        if isinstance(node, ScalarNode):
            return _scalar(node, self.line(node))
        if isinstance(node, SequenceNode):
            items = []
            for index, item in enumerate(node.value):
                self.lines[(*path, index)] = self.line(item)
                items.append(self.value(item, (*path, index)))
            return items
        assert isinstance(node, MappingNode)
        found: dict[str, Any] = {}
        self._fill(found, node, path, {})
        return found

    def _fill(self, found: dict[str, Any], node: MappingNode, path: FieldPath, given: dict[str, int]) -> None:
        merged: list[Node] = []
        for key_node, value_node in node.value:
            if not isinstance(key_node, ScalarNode):
                raise _Refused(self.line(key_node), f"{path_text(path) or 'the document'}: a key must be a plain value")
            if key_node.tag == _PLAIN and key_node.value == "<<":
                merged += value_node.value if isinstance(value_node, SequenceNode) else [value_node]
                continue
            key = _key(_scalar(key_node, self.line(key_node)))
            line = self.line(key_node)
            if key in given:
                where = path_text((*path, key))
                self.problems.append(Unreadable(line, f"{where}: key given twice (first on line {given[key]})"))
                continue
            given[key] = line
            self.lines[(*path, key)] = line
            found[key] = self.value(value_node, (*path, key))
        # YAML's merge key: the keys of the mapping itself win, and of several merged ones the first.
        for each in merged:
            if not isinstance(each, MappingNode):
                raise _Refused(self.line(each), f"{path_text(path) or 'the document'}: << needs a mapping")
            before: dict[str, Any] = {}
            inner = _Construction(self.first_line)
            inner.count = self.count
            inner._fill(before, each, path, {})
            self.count = inner.count
            for key, value in before.items():
                if key not in found:
                    found[key] = value
                    prefix = (*path, key)
                    self.lines |= {at: line for at, line in inner.lines.items() if at[: len(prefix)] == prefix}


def _scalar(node: ScalarNode, line: int) -> Any:
    text = str(node.value)
    if node.tag == _PLAIN:
        return _plain(text)
    if not node.tag.startswith(_TAG):
        raise _Refused(line, f"unknown YAML tag {node.tag}")
    match node.tag.removeprefix(_TAG):
        case "str" | "binary" | "timestamp":
            return text
        case _:
            return _plain(text)


def _plain(text: str) -> Any:
    """The meaning of an unquoted scalar."""
    if text in _WORDS:
        return _WORDS[text]
    if text[0] not in "-+.0123456789":
        return text
    if _INTEGER.fullmatch(text):
        return _integer(text.replace("_", ""))
    if _FLOAT.fullmatch(text):
        number = float(text)
        return int(number) if number == int(number) and abs(number) < 1e21 else number
    return text


def _integer(text: str) -> Any:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    for prefix, base in (("0b", 2), ("0x", 16), ("0o", 8)):
        if digits.startswith(prefix):
            return sign * int(digits[2:], base)
    if len(digits) > 1 and digits[0] == "0":
        # As strconv.ParseInt with base 0: octal when it can be, else it is no integer (a number all the same).
        return sign * (int(digits, 8) if all(each in "01234567" for each in digits) else int(digits))
    return sign * int(digits)


def _key(value: Any) -> str:
    match value:
        case str():
            return value
        case bool():
            return "true" if value else "false"
        case None:
            return "null"
        case _:
            return str(value)


def _json(text: str) -> Iterator[Document | Unreadable]:
    """JSON with tabs, which YAML does not allow; without lines of fields."""
    decoder = json.JSONDecoder()
    position = 0
    while position < len(text.rstrip()):
        line = 1 + text.count("\n", 0, position)
        try:
            value, position = decoder.raw_decode(text, position)
        except json.JSONDecodeError as error:
            yield Unreadable(error.lineno, f"cannot be read as JSON: {error.msg}")
            return
        yield Document(whole_numbers(value), line)
        while position < len(text) and text[position].isspace():
            position += 1
