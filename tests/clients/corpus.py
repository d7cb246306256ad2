"""The corpus: every fenced block of the reference documents, in ../shared where a developer's machine has it.

What each block must do is said in tables of ours (`corpus_services.yaml`, `corpus_commands.yaml`), which name the
blocks by file and its commands by number. Without the corpus there is nothing to run, so its tests are skipped.
"""

from __future__ import annotations

import csv
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

HERE = Path(__file__).parent
CORPUS = next((path for up in HERE.parents if (path := up / "shared/corpus").is_dir()), None)

needs_corpus = pytest.mark.skipif(CORPUS is None, reason="no ../shared/corpus here")


def table(name: str) -> dict[str, Any]:
    """One of our tables: file name → what is expected of it."""
    found: dict[str, Any] = yaml.safe_load((HERE / name).read_text())
    return found


def files(language: str, kinds: frozenset[str] | None = None) -> set[str]:
    """Names of the corpus' files in `language`, of which every object is of one of `kinds`."""
    if CORPUS is None:
        return set()
    with (CORPUS / "index.tsv").open() as lines:
        rows = [row for row in csv.DictReader(lines, delimiter="\t") if row["language"] == language]
    return {row["file"] for row in rows if kinds is None or set(row["kinds"].split(",")) <= kinds}


def read(name: str) -> str:
    assert CORPUS is not None
    return (CORPUS / name).read_text()


def objects(name: str) -> list[dict[str, Any]]:
    return [each for each in yaml.safe_load_all(read(name)) if each]


def commands(text: str) -> list[str]:
    """The commands of a shell block, each with its continued lines, without comments: `# …` is also sample output."""
    lines = re.sub(r"\\\n\s*", "", text).splitlines()
    return [line.strip() for line in lines if line.strip() and not line.lstrip().startswith("#")]
