"""Manifests: files and folders to objects that know their file and line, and every problem of them, in one line each.

loaded = load(["shop/", "-"])
for problem in loaded.problems: print(problem)
"""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sealane.kube.kinds import Kind
from sealane.kube.kinds.defaulting import defaulted, without_status
from sealane.kube.kinds.services.topology_keys import explained, keys_of, without_keys
from sealane.kube.kinds.validation import dropped_problems, validate
from sealane.kube.manifests.documents import Document, Unreadable, documents
from sealane.kube.manifests.rendering import NotRendered, Renderer, render, renderer_of
from sealane.kube.manifests.served import BUILTIN, Served, definitions, why_unknown
from sealane.kube.objects import Key, Object, Origin, Raw, canonical_version, without_nulls
from sealane.kube.problems import FieldPath, Part, Problem, quoted

__all__ = ["ManifestProblem", "Manifests", "kind_of", "load"]

SUFFIXES = (".yaml", ".yml", ".json")


@dataclass(frozen=True, slots=True)
class ManifestProblem:
    """One problem at one place. subject: "Service shop/cart", "" when it is not about one object. field: its path."""

    file: str
    line: int
    subject: str
    field: FieldPath
    message: str

    def __str__(self) -> str:
        where = f"{self.file}:{self.line}" if self.line else self.file
        return ": ".join(each for each in (where, self.subject, self.message) if each)


@dataclass(frozen=True)
class Manifests:
    """objects: the sound ones, in the order of files; those of a namespaced kind have a namespace. Of one object given
    twice, the last.

    problems: all of them, by file and line. warnings: what is outdated or given twice, and how it was read. served: the
    kinds that objects may have, with those of the CRDs loaded.
    """

    objects: tuple[Object, ...] = ()
    problems: tuple[ManifestProblem, ...] = ()
    warnings: tuple[ManifestProblem, ...] = ()
    served: Served = field(default_factory=lambda: BUILTIN)

    def kind_of(self, found: Object) -> Kind:
        """The kind of one of `objects`."""
        return kind_of(found, self.served)


def kind_of(found: Object, served: Served = BUILTIN) -> Kind:
    """The kind as which the API serves this object. Raises KeyError when no such kind is served."""
    return served[(found.raw.get("apiVersion", ""), found.kind)]


def load(
    paths: Iterable[str | Path],
    *,
    namespace: str = "default",
    known: Iterable[Raw] = (),
    stdin: Iterable[str] | None = None,
    taken: Callable[[str, str], bool] = lambda _group, _kind: False,
) -> Manifests:
    """Reads files, folders (all *.yaml, *.yml and *.json below) and "-" (stdin); renders kustomizations and charts.

    Nothing is raised for bad input: every problem is in the answer, and an object that has one is not among `objects`.
    `namespace` is given to objects of namespaced kinds that name none. `known`: CustomResourceDefinitions that exist
    already, beside those in the files. `taken`: by group and kind, whether objects of a kind that is not served are
    taken as they are.
    """
    found: list[tuple[Raw, Origin]] = []
    problems: list[ManifestProblem] = []
    files: dict[str, None] = {}
    for file, text in _texts(paths, stdin, namespace):
        files[file] = None
        if isinstance(text, ManifestProblem):
            problems.append(text)
        else:
            _read(file, text, found, problems)
    if not found and not problems:
        problems += [ManifestProblem(file, 0, "", (), "holds no object") for file in files]
    served = {**BUILTIN, **definitions([*known, *(raw for raw, _ in found)])}
    warnings: list[ManifestProblem] = []
    objects: dict[Key, Object] = {}
    for raw, origin in found:
        if raw.get("kind") == "Service" and isinstance(raw.get("spec"), dict) and (keys := keys_of(raw)):
            path: FieldPath = ("spec", "topologyKeys")
            warnings.append(ManifestProblem(origin.file, _line(origin, path), _subject(raw), path, explained(keys)))
        mine = list(_check(raw, origin, served, taken))
        if not mine:
            raw = _placed(without_nulls(raw), served, namespace)
        loaded = Object(raw, origin) if not mine else None
        if loaded is not None:
            key = loaded.key
            first = objects.pop(key, None)
            if first is not None and first.origin is not None and first.raw != raw:
                place = f"{first.origin.file}:{first.origin.line}"
                message = f"the same object is otherwise at {place}; this one, the last, counts"
                warnings.append(ManifestProblem(origin.file, origin.line, _subject(raw), (), message))
            objects[key if key.name else Key(key.group, key.kind, key.namespace, f" {len(objects)}")] = loaded
        problems += mine
    order = {file: number for number, file in enumerate(files)}
    problems.sort(key=lambda each: (order[each.file], each.line))
    return Manifests(tuple(objects.values()), tuple(problems), tuple(warnings), served)


def _texts(
    paths: Iterable[str | Path], stdin: Iterable[str] | None, namespace: str
) -> Iterator[tuple[str, str | ManifestProblem]]:
    """Each file's name and text, or why there is none."""
    seen: set[Path] = set()
    for given in paths:
        if str(given) == "-":
            yield "stdin", "".join(sys.stdin if stdin is None else stdin)
            continue
        path = Path(given)
        files: Sequence[Path] = [path]
        if path.is_dir():
            renderer = renderer_of(_names(path))
            if renderer is not None:
                yield _rendered(renderer, path, namespace)
                continue
            files, others = _below(path)
            for folder, other in others:
                message = f"this is {other.what} within a folder of manifests; name it by itself: sealane up {folder}"
                yield str(folder), ManifestProblem(str(folder), 0, "", (), message)
            if not files and not others:
                message = f"no manifest in this folder (looked for {', '.join('*' + each for each in SUFFIXES)})"
                yield str(path), ManifestProblem(str(path), 0, "", (), message)
        for file in files:
            if file.resolve() in seen:
                continue
            seen.add(file.resolve())
            try:
                yield str(file), file.read_text(encoding="utf-8")
            except OSError as error:
                yield str(file), ManifestProblem(str(file), 0, "", (), (error.strerror or str(error)).lower())
            except UnicodeDecodeError:
                yield str(file), ManifestProblem(str(file), 0, "", (), "not a text file (UTF-8)")


def _names(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)
    except OSError:
        return []


def _rendered(renderer: Renderer, folder: Path, namespace: str) -> tuple[str, str | ManifestProblem]:
    """What to call the manifests that `folder` makes, by which their lines can be looked up, and their text."""
    try:
        command, text = render(renderer, folder, namespace)
    except NotRendered as error:
        return str(folder), ManifestProblem(str(folder), 0, "", (), str(error))
    return f"{folder} ({command})", text


def _below(path: Path) -> tuple[list[Path], list[tuple[Path, Renderer]]]:
    """The manifests below a folder, and the folders there that are something else, which are not looked into.

    Files that cannot be read, or go away meanwhile, are passed over.
    """
    files: list[Path] = []
    others: list[tuple[Path, Renderer]] = []
    for folder, below, names in os.walk(path):
        if (renderer := renderer_of(names)) is not None:
            others.append((Path(folder), renderer))
            below.clear()
        else:
            files += (Path(folder, name) for name in names)
    return sorted(each for each in files if each.suffix in SUFFIXES and each.is_file()), sorted(
        others, key=lambda each: each[0]
    )


def _read(file: str, text: str, found: list[tuple[Raw, Origin]], problems: list[ManifestProblem]) -> None:
    for document in documents(text):
        if isinstance(document, Unreadable):
            problems.append(ManifestProblem(file, document.line, "", (), document.message))
            continue
        for value, origin in _unpacked(document, file):
            if isinstance(value, dict):
                version = value.get("apiVersion")
                if isinstance(version, str) and version.startswith("/"):
                    value = {**value, "apiVersion": canonical_version(version)}
                found.append((value, origin))
            else:
                kind = "a list" if isinstance(value, list) else quoted(value)[:60]
                message = f"expected an object with apiVersion, kind and metadata, got {kind}"
                problems.append(ManifestProblem(file, origin.line, "", (), message))


def _unpacked(document: Document, file: str) -> Iterator[tuple[Any, Origin]]:
    """The document, or the items when it is a list of a kind."""
    value = document.value
    listed = _listed(value)
    if listed is None:
        yield value, Origin(file, document.line, document.lines)
        return
    for index, item in enumerate(listed):
        prefix: FieldPath = ("items", index)
        lines = {path[2:]: line for path, line in document.lines.items() if path[:2] == prefix and len(path) > 2}
        yield item, Origin(file, document.lines.get(prefix, document.line), lines)


def _listed(value: Any) -> list[Any] | None:
    """The items of a List, or of a list of one kind: those say their apiVersion and kind, or the list does for them.

    None when `value` is no list. Source: UnstructuredJSONScheme of k8s.io/apimachinery (decodeToList).
    """
    if not isinstance(value, dict) or not isinstance(value.get("kind"), str) or not value["kind"].endswith("List"):
        return None
    items = value.get("items")
    if items is None and "items" in value:
        return []
    if not isinstance(items, list) or value["kind"] == "List":
        return items if isinstance(items, list) else None
    envelope = {"apiVersion": value.get("apiVersion"), "kind": value["kind"].removesuffix("List")}
    return [{**envelope, **each} if isinstance(each, dict) else each for each in items]


def _check(raw: Raw, origin: Origin, served: Served, taken: Callable[[str, str], bool]) -> Iterator[ManifestProblem]:
    obj = Part(raw)
    api_version, kind = obj.text("apiVersion"), obj.text("kind")
    subject = _subject(raw)

    def problem(message: str, *path: str | int) -> ManifestProblem:
        return ManifestProblem(origin.file, _line(origin, path), subject, path, message)

    if "kind" not in obj and "apiVersion" not in obj:
        yield problem("not a Kubernetes object: it has neither apiVersion nor kind")
        return
    if not kind or not api_version:
        for name in ("apiVersion", "kind"):
            if not obj[name].present or obj[name].value == "":
                yield problem(f"{name} is missing{_hint(name, kind, served)}")
            elif not obj.text(name):
                yield problem(f"{name}: expected a string", name)
        return
    found = served.get((api_version, kind))
    if found is None:
        group = api_version.rpartition("/")[0]
        if taken(group, kind) and obj["metadata"].text("name"):
            return
        elsewhere = any(name == kind and version.rpartition("/")[0] == group for version, name in served)
        wrong = "apiVersion" if elsewhere or all(version != api_version for version, _ in served) else "kind"
        yield problem(why_unknown(api_version, kind, served), wrong)
        return
    # The API takes the keys of old manifests, with a warning (`kinds/services/topology_keys`).
    checked = without_keys(raw) if kind == "Service" and isinstance(raw.get("spec"), dict) else raw
    for each in _problems(found, checked):
        yield problem(str(each), *each.path)


def _problems(kind: Kind, raw: Raw) -> list[Problem]:
    """What the API would say to `raw`, in terms of what is written there rather than of what defaults make of it."""
    refused = validate(_created(kind, raw), namespaced=kind.namespaced)
    refused += [each for each in dropped_problems(raw) if each not in refused]
    if not refused:
        return []
    causes = {(each.path, each.reason) for each in refused}
    written = [each for each in validate(raw, namespaced=kind.namespaced) if (each.path, each.reason) in causes]
    return written or refused


def _created(kind: Kind, raw: Raw) -> Raw:
    """`raw` as the API checks it when it is created: with its defaults, which go by the types that the schema says."""
    raw = without_status(kind, raw)
    with suppress(AttributeError, KeyError, TypeError, ValueError):
        return defaulted(raw)
    return raw


def _hint(name: str, kind: str, served: Served) -> str:
    if name == "kind":
        return " (every manifest needs one, such as kind: Service)"
    versions = [version for version, each in served if each == kind]
    return f"; for a {kind} it is apiVersion: {versions[0]}" if versions else " (such as apiVersion: v1)"


def _line(origin: Origin, path: FieldPath) -> int:
    for end in range(len(path), 0, -1):
        line = origin.lines.get(path[:end])
        if line:
            return line
    return origin.line


def _subject(raw: Raw) -> str:
    """ "Service shop/cart", as far as the manifest says."""
    obj = Part(raw)
    metadata = obj["metadata"]
    name = metadata.text("name") or metadata.text("generateName")
    if name and metadata.text("namespace"):
        name = f"{metadata.text('namespace')}/{name}"
    return " ".join(each for each in (obj.text("kind"), name) if each)


def _placed(raw: Raw, served: Served, namespace: str) -> Raw:
    kind = served.get((raw["apiVersion"], raw["kind"]))
    metadata: Mapping[str, Any] = raw["metadata"]
    if kind is None or not kind.namespaced or metadata.get("namespace"):
        return raw
    return {**raw, "metadata": {**metadata, "namespace": namespace}}
