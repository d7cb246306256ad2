"""The syntax of a Corefile: its words, blocks and braces, not their meaning.

Server blocks with their zones and ports hold directives, one a line, which may hold further ones in braces. Source:
https://coredns.io/manual/configuration/ and https://coredns.io/plugins/import/. The meaning of each directive is in
`plugins`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from fnmatch import fnmatch
from ipaddress import IPv4Network, ip_network
from posixpath import basename, join, normpath

MAX_DEPTH = 20
"""Of imports that import: more is a circle."""
SCHEMES = {"dns": 53, "tls": 853, "quic": 853, "https": 443, "https3": 443, "grpc": 443}
_ENVIRONMENT = re.compile(r"\{\$([^}\s]+)\}|\{%([^}%\s]+)%\}")


class CorefileError(ValueError):
    """An error in a Corefile and its place: "Corefile:7: unknown plugin 'kubernets': did you mean 'kubernetes'?"."""

    def __init__(self, message: str, file: str, line: int) -> None:
        super().__init__(f"{file}:{line}: {message}")
        self.file = file
        self.line = line


@dataclass(frozen=True, slots=True)
class Directive:
    """One line of a block: a plugin, or one of its options, with what stands in its braces."""

    name: str
    args: tuple[str, ...] = ()
    block: tuple[Directive, ...] = ()
    file: str = field(default="Corefile", compare=False)
    line: int = field(default=0, compare=False)

    def error(self, message: str) -> CorefileError:
        return CorefileError(message, self.file, self.line)

    def unknown(self, what: str, name: str, known: Sequence[str]) -> CorefileError:
        """`name` is none of `known`; says which comes nearest."""
        near = _nearest(name, known)
        return self.error(f"unknown {what} {name!r}" + (f": did you mean {near[0]!r}?" if near else ""))


@dataclass(frozen=True, slots=True)
class Server:
    """One key of a server block. zone: lower case without the final dot, "" is the root."""

    zone: str
    port: int = 53
    scheme: str = "dns"


@dataclass(frozen=True, slots=True)
class ServerBlock:
    servers: tuple[Server, ...]
    directives: tuple[Directive, ...]
    file: str = field(default="Corefile", compare=False)
    line: int = field(default=0, compare=False)


@dataclass(frozen=True, slots=True)
class _Token:
    text: str
    file: str
    line: int
    quoted: bool = False

    def is_(self, brace: str) -> bool:
        return not self.quoted and self.text == brace

    def error(self, message: str) -> CorefileError:
        return CorefileError(message, self.file, self.line)


def parse(
    text: str,
    file: str = "Corefile",
    files: Mapping[str, str] | None = None,
    environment: Mapping[str, str] | None = None,
    folder: str = "",
) -> tuple[ServerBlock, ...]:
    """The server blocks in their order, imports put in place. Raises CorefileError.

    files: text by path, for `import custom/*.override`, which is looked for in `folder`; of a file whose folder is not
    known the name counts. environment: for `{$NAME}`; what is not in it becomes nothing.
    """
    return _Reader(files or {}, environment or {}, folder).blocks(text, file)


def _nearest(name: str, known: Sequence[str]) -> list[str]:
    from difflib import get_close_matches  # Only for what is wrong.

    return get_close_matches(name, known, 1)


def zones_of(text: str) -> tuple[str, ...]:
    """Zones that a name or network stands for: "10.0.0.0/24" is 0.0.10.in-addr.arpa, "." the root, which is "".

    A prefix that ends within a label stands for several zones. Raises ValueError for a bad network.
    """
    if "/" not in text:
        return (text.rstrip(".").lower(),)
    network = ip_network(text, strict=False)
    step = 8 if isinstance(network, IPv4Network) else 4
    prefix = -(-network.prefixlen // step) * step
    found = []
    for part in network.subnets(new_prefix=prefix):
        labels = part.network_address.reverse_pointer.split(".")
        found.append(".".join(labels[(part.max_prefixlen - prefix) // step :]))
    return tuple(found)


def _tokens(text: str, file: str, environment: Mapping[str, str]) -> list[_Token]:
    found: list[_Token] = []
    line, at, end = 1, 0, len(text)
    while at < end:
        char = text[at]
        if char == "\n":
            line += 1
            at += 1
        elif char.isspace() or char == "\ufeff":
            at += 1
        elif char == "#":
            at = text.find("\n", at) if "\n" in text[at:] else end
        elif char == '"':
            start, at, word = line, at + 1, ""
            while at < end and text[at] != '"':
                if text[at] == "\\" and text[at + 1 : at + 2] == '"':
                    at += 1
                line += text[at] == "\n"
                word += text[at]
                at += 1
            if at >= end:
                raise CorefileError("a quotation mark is not closed", file, start)
            at += 1
            found.append(_Token(_expanded(word, environment), file, start, True))
        else:
            start = at
            while at < end and not text[at].isspace():
                at += 1
            found.append(_Token(_expanded(text[start:at], environment), file, line))
    return found


def _expanded(word: str, environment: Mapping[str, str]) -> str:
    return _ENVIRONMENT.sub(lambda match: environment.get(match[1] or match[2], ""), word)


@dataclass(slots=True)
class _Reader:
    files: Mapping[str, str]
    environment: Mapping[str, str]
    folder: str = ""
    snippets: dict[str, tuple[Directive, ...]] = field(default_factory=dict)
    tokens: list[_Token] = field(default_factory=list)
    at: int = 0

    def blocks(self, text: str, file: str, depth: int = 0) -> tuple[ServerBlock, ...]:
        outer = self.tokens, self.at
        self.tokens, self.at = _tokens(text, file, self.environment), 0
        found: list[ServerBlock] = []
        while self.at < len(self.tokens):
            first = self.tokens[self.at]
            if first.text == "import" and not first.quoted:
                line = self._line()
                for name, content in self._imported(line, depth):
                    found += self.blocks(content, name, depth + 1)
                continue
            keys = self._keys()
            directives = self._directives(self._opening(first), depth)
            name = keys[0].text
            if len(keys) == 1 and name.startswith("(") and name.endswith(")"):
                self.snippets[name[1:-1]] = directives
            else:
                servers = tuple(server for key in keys for server in _servers(key))
                found.append(ServerBlock(servers, directives, first.file, first.line))
        self.tokens, self.at = outer
        return tuple(found)

    def _keys(self) -> list[_Token]:
        keys: list[_Token] = []
        while self.at < len(self.tokens) and not self.tokens[self.at].is_("{"):
            token = self.tokens[self.at]
            if token.is_("}"):
                raise token.error("'}' closes nothing")
            keys += [_Token(part, token.file, token.line, token.quoted) for part in token.text.split(",") if part]
            self.at += 1
        if not keys:
            raise self.tokens[min(self.at, len(self.tokens) - 1)].error(
                "a server block begins with its zone, like '.:53 {'"
            )
        return keys

    def _opening(self, first: _Token) -> _Token:
        if self.at >= len(self.tokens):
            raise first.error(f"expected '{{' after {first.text!r}")
        self.at += 1
        return self.tokens[self.at - 1]

    def _directives(self, opening: _Token, depth: int) -> tuple[Directive, ...]:
        """The directives until the brace that closes the one before."""
        found: list[Directive] = []
        while self.at < len(self.tokens):
            if self.tokens[self.at].is_("}"):
                self.at += 1
                return tuple(found)
            line = self._line()
            first = line[0]
            if first.is_("{"):
                raise first.error("'{' stands at the end of a line, after the name of what it opens")
            if first.text == "import" and not first.quoted:
                found += self._import(line, depth)
                continue
            block: tuple[Directive, ...] = ()
            if line[-1].is_("{"):
                block = self._directives(line.pop(), depth)
            for token in line[1:]:
                if token.is_("{") or token.is_("}"):
                    raise token.error(
                        f"{token.text!r} does not stand at the {'end' if token.is_('{') else 'beginning'} of its line"
                    )
            found.append(Directive(first.text, tuple(token.text for token in line[1:]), block, first.file, first.line))
        raise opening.error("'{' is not closed")

    def _line(self) -> list[_Token]:
        first = self.tokens[self.at]
        found: list[_Token] = []
        while self.at < len(self.tokens) and self.tokens[self.at].line == first.line:
            found.append(self.tokens[self.at])
            self.at += 1
        return found

    def _import(self, line: Sequence[_Token], depth: int) -> list[Directive]:
        if len(line) > 1 and line[1].text in self.snippets:
            return list(self.snippets[line[1].text])
        found: list[Directive] = []
        for name, content in self._imported(line, depth):
            outer = self.tokens, self.at
            closing = _Token("}", name, 0)
            self.tokens, self.at = [*_tokens(content, name, self.environment), closing], 0
            found += self._directives(closing, depth + 1)
            if self.at < len(self.tokens):
                raise self.tokens[self.at - 1].error("'}' closes nothing")
            self.tokens, self.at = outer
        return found

    def _imported(self, line: Sequence[_Token], depth: int) -> list[tuple[str, str]]:
        """Name and text of each file that an import names."""
        first = line[0]
        if len(line) != 2:
            raise first.error("import takes one snippet or file")
        if depth >= MAX_DEPTH:
            raise first.error(f"import {line[1].text}: imports itself")
        pattern = line[1].text
        path = normpath(join(self.folder, pattern))
        found = [
            (basename(name), self.files[name])
            for name in sorted(self.files)
            if fnmatch(name, path if "/" in name else basename(pattern))
        ]
        if not found and not set(pattern) & set("*?["):
            near = _nearest(line[1].text, [*self.snippets, *self.files])
            hint = f": did you mean {near[0]!r}?" if near else ""
            raise first.error(f"import: no snippet or file is named {line[1].text!r}{hint}")
        return found


def _servers(key: _Token) -> list[Server]:
    """Source: https://coredns.io/manual/configuration/#server-blocks."""
    scheme, separator, rest = key.text.partition("://")
    if not separator:
        scheme, rest = "dns", key.text
    if scheme not in SCHEMES:
        raise key.error(f"unknown scheme {scheme!r}: expected one of {', '.join(SCHEMES)}")
    zone, port = rest, SCHEMES[scheme]
    match = re.fullmatch(r"(.*):(\d+)", rest)
    if match and not (match[1].count(":") and "/" not in match[1]):
        zone, port = match[1], int(match[2])
        if not 0 < port < 65536:
            raise key.error(f"{port} is no port")
    elif ":" in rest and "/" not in rest:
        raise key.error(f"{key.text!r} is no zone with a port")
    try:
        return [Server(name, port, scheme) for name in zones_of(zone)]
    except ValueError as error:
        raise key.error(f"{key.text!r}: {error}") from None
