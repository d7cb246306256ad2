"""The table of kinds: every family in it is read, and nothing that a family says is left out."""

from __future__ import annotations

import ast
from collections.abc import Callable
from functools import cache
from importlib import import_module
from inspect import getmembers, isfunction
from pathlib import Path
from typing import Any

import pytest

import sealane
from sealane.kube import kinds, schema
from sealane.kube.kinds import FAMILIES, KNOWN
from sealane.kube.kinds.definition import CUSTOM, Definition
from sealane.kube.kinds.table import definition, every

HOME = Path(kinds.__file__).parent
TREES = {path: ast.parse(path.read_text()) for path in Path(sealane.__file__).parent.rglob("*.py")}
FOLDERS = sorted(path.parent.name for path in HOME.glob("*/__init__.py"))


def said(row: Definition) -> set[Callable[..., Any]]:
    """The functions that a definition names."""
    fields = [row.names, row.defaults, row.checks, row.birth, row.carried, row.rechecks, row.grace, row.ending]
    if row.usage is not None:
        fields += [row.usage.amounts, row.usage.owns]
    return {each for each in (*fields, *row.changes.values()) if each is not None}


def test_every_kind_has_a_definition_in_its_family() -> None:
    assert sorted(FAMILIES) == FOLDERS
    for family, found in FAMILIES.items():
        rows = import_module(f"sealane.kube.kinds.{family}.rows").ROWS
        names = [(kind.group, kind.kind) for kind in found]
        stored = [kind for number, kind in enumerate(found) if names.index(names[number]) == number]
        assert {row.kind for row in rows} == set(stored), family
        assert len(rows) == len(stored), family


def test_a_kind_has_one_definition_in_all_its_versions() -> None:
    assert len(every()) == len({(kind.group, kind.kind) for kind in KNOWN})
    assert definition("autoscaling", "HorizontalPodAutoscaler").kind.version == "v2"
    assert definition("example.com", "Pod") is CUSTOM


@cache
def read_in(path: Path) -> frozenset[str]:
    """Every name that a module reads."""
    nodes = list(ast.walk(TREES[path]))
    names = {node.id for node in nodes if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
    return frozenset(names | {node.attr for node in nodes if isinstance(node, ast.Attribute)})


@pytest.mark.parametrize("family", FOLDERS)
def test_every_rule_of_a_family_is_in_a_definition(family: str) -> None:
    """Or another rule calls it: what is written and never called is no rule."""
    rows = import_module(f"sealane.kube.kinds.{family}.rows").ROWS
    read = set[Callable[..., Any]]().union(*(said(row) for row in rows))
    for path in sorted((HOME / family).glob("*.py")):
        module = import_module(f"sealane.kube.kinds.{family}.{path.stem}")
        for name, function in getmembers(module, isfunction):
            if function.__module__ == module.__name__ and function not in read:
                readers = [path] if name.startswith("_") else TREES
                assert any(name in read_in(each) for each in readers), f"{name} is written and never called"


@pytest.mark.parametrize("family", FOLDERS)
def test_every_table_of_columns_is_in_a_definition(family: str) -> None:
    rows = HOME / family / "rows.py"
    for node in TREES[path].body if (path := HOME / family / "columns.py") in TREES else ():
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
            name = node.targets[0].id
            assert any(name in read_in(each) for each in (rows, *TREES)), name


def test_fields_that_stay_and_fields_to_select_on_are_fields() -> None:
    for row in every():
        type_ = schema.root(row.kind.api_version, row.kind.kind)
        if type_ is None:
            continue
        for path in row.fixed:
            assert is_field(path, type_), f"{row.kind.kind}: {'.'.join(path)}"
        kept = kinds.STORED_AS.get(row.kind, row.kind)
        stored = schema.root(kept.api_version, kept.kind)
        for field in row.selectable.values():
            for path in field.paths:
                assert stored is not None
                assert is_field(path, stored), f"{row.kind.kind}: {'.'.join(path)}"


def is_field(path: tuple[str, ...], type_: schema.Type) -> bool:
    for number, name in enumerate(path, 1):
        if name not in type_.fields:
            return False
        if number < len(path):
            type_ = schema.named(type_.fields[name].element)
    return True


def test_what_is_born_with_a_status_has_one() -> None:
    """And a subresource for whoever writes it later."""
    for row in every():
        if row.birth is not CUSTOM.birth or "approval" in row.changes or "status" in row.changes:
            assert "status" in row.kind.subresources, row.kind.kind
        for subresource in row.changes:
            assert not subresource or subresource in row.kind.subresources, row.kind.kind
