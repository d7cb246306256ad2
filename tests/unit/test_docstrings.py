"""Every name in backticks in a docstring of `src` exists, so that a renamed thing is renamed where it is told of.

A name is found as a word of its own module's code; as a module, function, class or attribute of another; as
a field, kind or type of the Kubernetes facts; as a file; as a command or directive with its arguments; or in WORDS.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

SRC = Path(__file__).parents[2] / "src" / "sealane"
COMMANDS = {"curl", "etcdutl", "kill", "kubectl", "python"}
WORDS = frozenset(
    """
    AllowedRoutes GatewayStatus Hostname HTTPPathModifier HTTPRequestRedirectFilter HTTPRouteRule HTTPRouteSpec
    ListenerStatus RouteConditionReason RouteParentStatus replacePrefixMatch ResolvedRefs HTTPRouteFilter
    GRPCRouteFilter HTTPHeaderMatch GRPCRouteRule ListenerSetStatus PolicyAncestorStatus SecretObjectReference
    Exists In NotIn baseline restricted yes continue as as-groups as-uid as-user-extra
    :authority /health /metrics /ready streamtype requestid unix:/PATH ?delay=250ms ?status=503
    answer autopath bind edns0 endpoint_pod_names fallthrough ignore import index loadbalance local|nsid|subnet log
    noendpoints pods prometheus reload rewrite tls .Class .Name .Type .Zone -upstreamsvc {$NAME} [ADDRESS]
    [exact|prefix|suffix|substring|regex]
    fib eth0 cryptography h2 ssl.SSLSocket.getpeercert
    kube-dns k8s-app k8s-dns-node-cache kubernetes.io/metadata.name gateway.networking.k8s.io/gateway-name
    authorizer format.dns1123Label
    """.split()  # noqa: SIM905  (easier to read, and to add to, than a list of strings)
)
"""Types of the Gateway API reference that no schema names; values of fields; parts of protocols; words of Corefiles;
what nftables, Linux and libraries call things; names in every cluster; functions of CEL."""


class Module:
    """names: every word of it outside docstrings and comments.

    defined: what others may speak of: functions, classes, constants, attributes.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self.docstrings: list[tuple[int, str]] = []
        self.defined: set[str] = set()
        lines = path.read_text().splitlines()
        for node in statements(ast.parse("\n".join(lines))):
            match node:
                case ast.Expr(value=ast.Constant(value=str(text))):
                    self.docstrings.append((node.lineno, text))
                    lines[node.lineno - 1 : node.end_lineno] = [""] * len(lines[node.lineno - 1 : node.end_lineno])
                case ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name) | ast.ClassDef(name=name):
                    self.defined.add(name)
                case ast.Assign(targets=targets):
                    self.defined.update(assigned(targets))
                case ast.AnnAssign(target=target):
                    self.defined.update(assigned([target]))
        self.names = {word for line in lines for word in re.findall(r"[\w.-]*\w", re.sub(r"(^| )#.*", "", line))}
        self.names |= {part for word in self.names for part in word.split(".")}


def statements(node: ast.AST) -> Iterator[ast.AST]:
    for part in ("body", "orelse", "handlers", "finalbody", "cases"):
        for each in getattr(node, part, ()):
            yield each
            yield from statements(each)


def assigned(targets: Iterable[ast.AST]) -> Iterator[str]:
    for target in targets:
        match target:
            case ast.Name(id=name) | ast.Attribute(attr=name):
                yield name
            case ast.Tuple(elts=several):
                yield from assigned(several)


class House:
    """All modules of src by dotted name, and what else can stand in backticks. options: of the command line."""

    def __init__(self) -> None:
        paths = (path for path in sorted(SRC.rglob("*.py")) if path.parent.name != "shapes" or path.stem == "__init__")
        self.modules = {dotted(path): Module(path) for path in paths}
        self.defined = set().union(*(module.defined for module in self.modules.values()))
        cli = (module for name, module in self.modules.items() if name.startswith("sealane.cli"))
        self.options = set().union(*(module.names for module in cli))
        facts = json.loads((SRC / "kube" / "facts.json").read_text())
        self.fields = {name for fields in facts["types"].values() for name in fields}
        self.fields |= {name.rpartition(".")[2] for name in facts["types"]}
        self.fields |= {kind.rpartition(" ")[2] for kind in facts["kinds"]}

    def ending_in(self, text: str) -> list[Module]:
        return [module for name, module in self.modules.items() if f".{name}".endswith(f".{text}")]

    def has_path(self, text: str, module: Module) -> bool:
        """A file beside the module, in src/sealane or in the repository; a folder of modules by its parts."""
        places = (module.path.parent, SRC, SRC.parent.parent)
        return any((place / text).exists() for place in places) or bool(
            self.ending_in(text.strip("/").replace("/", "."))
        )

    def knows(self, text: str, module: Module) -> bool:
        first, _, rest = text.partition(" ")
        word = re.sub(r"[(:].*", "", first)
        if {text, first, word} & (WORDS | module.names | self.fields) or first in COMMANDS or "://" in first:
            return True
        if first == "sealane":
            return rest.partition(" ")[0] in self.options
        if first.startswith("-"):
            return first.lstrip("-").replace("-", "_") in self.options or len(first) == 2
        if "/" in word:
            return self.has_path(word, module)
        if self.ending_in(word) or self.has_path(word, module):
            return True
        head, _, last = word.rpartition(".")
        if not head:
            return word in self.defined
        found = self.ending_in(head)
        if any(last in each.defined for each in found):
            return True
        if found and head.partition(".")[0] not in module.names:
            return False
        return set(word.split(".")) <= module.names | self.defined | self.fields | WORDS


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(SRC.parent).with_suffix("").parts).removesuffix(".__init__")


def unknown(house: House) -> Iterator[str]:
    for module in house.modules.values():
        for line, docstring in module.docstrings:
            for found in re.finditer(r"`([^`]+)`", docstring):
                if not house.knows(found[1], module):
                    at = line + docstring.count("\n", 0, found.start())
                    yield f"{module.path.relative_to(SRC.parent.parent)}:{at}: {found[1]}"


def lost_paths(house: House) -> Iterator[str]:
    """Paths of code in README.md and docs that lead nowhere: `apiserver/storage`, `dataplane/pods/images.py`."""
    root = SRC.parent.parent
    rooms = {path.name for path in SRC.iterdir()}
    here = house.modules["sealane"]
    for page in (root / "README.md", *sorted((root / "docs").glob("*.md"))):
        for number, line in enumerate(page.read_text().splitlines(), 1):
            for path in re.findall(r"`([\w.-]+/[\w./-]+)`", line):
                if path.partition("/")[0] in rooms and not house.has_path(path, here):
                    yield f"{page.name}:{number}: {path}"


def test_names_in_docstrings_and_paths_in_docs_exist() -> None:
    house = House()
    assert [*unknown(house), *lost_paths(house)] == []
