"""Folders that are not manifests but make them: kustomizations and Helm charts, rendered by their own tools."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path

import msgspec

_SECONDS = 120


class Renderer(msgspec.Struct, frozen=True):
    """what: "a Helm chart". marks: a folder with one of these files is one. commands: the tools, the first that is on
    the PATH renders; FOLDER, NAME and NAMESPACE among the arguments stand for these.
    """

    what: str
    marks: tuple[str, ...]
    commands: tuple[tuple[str, ...], ...]


RENDERERS = (
    Renderer(
        "a kustomization",
        ("kustomization.yaml", "kustomization.yml", "Kustomization"),
        (("kubectl", "kustomize", "FOLDER"), ("kustomize", "build", "FOLDER")),
    ),
    Renderer(
        "a Helm chart",
        ("Chart.yaml",),
        (("helm", "template", "NAME", "FOLDER", "--namespace", "NAMESPACE", "--include-crds", "--skip-tests"),),
    ),
)


class NotRendered(Exception):
    """The message is one line: which tool lacks, or what the tool said."""


def renderer_of(names: Sequence[str]) -> Renderer | None:
    """Who renders a folder that holds files of these names; None for a folder of manifests."""
    return next((each for each in RENDERERS if any(mark in names for mark in each.marks)), None)


def render(renderer: Renderer, folder: Path, namespace: str) -> tuple[str, str]:
    """The command that rendered `folder`, as one can repeat it, and the manifests. Raises NotRendered."""
    command = next((each for each in renderer.commands if shutil.which(each[0])), None)
    if command is None:
        tools = " or ".join(each[0] for each in renderer.commands)
        raise NotRendered(f"this is {renderer.what}, and there is no {tools} on the PATH to render it")
    release = re.sub(r"[^a-z0-9]+", "-", folder.resolve().name.lower()).strip("-")[:53].strip("-") or "release"
    values = {"FOLDER": str(folder), "NAME": release, "NAMESPACE": namespace}
    argv = [values.get(each, each) for each in command]
    said = " ".join(argv)
    try:
        done = subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise NotRendered(f"{said}: {error}") from None
    if done.returncode:
        why = " ".join(done.stderr.decode(errors="replace").split()).removeprefix("error: ").removeprefix("Error: ")
        raise NotRendered(f"{said}: {why or f'exit code {done.returncode}'}")
    return said, done.stdout.decode(errors="replace")
