"""Kustomizations and Helm charts among the paths, rendered by the tools that are there."""

from __future__ import annotations

import shutil
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from sealane.kube.manifests import load

CHART = Path(__file__).parents[2] / "clients/chart"

HELM = """# `helm template NAME FOLDER …` by Helm's SDK.
import sys
import helm_python
assert sys.argv[1] == "template" and sys.argv[4:6] == ["--namespace", "shop"], sys.argv
with helm_python.Config(namespace="shop") as config:
    made = config.render(helm_python.Chart.load(sys.argv[3]), name=sys.argv[2], namespace="shop")
print("\\n---\\n".join(made.values()))
"""


@pytest.fixture
def kustomization(tmp_path: Path) -> Path:
    folder = tmp_path / "over"
    folder.mkdir()
    (folder / "kustomization.yaml").write_text("resources: [config.yaml]\nnamePrefix: over-\n")
    (folder / "config.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n")
    return folder


@pytest.mark.skipif(not shutil.which("kubectl"), reason="no kubectl on the PATH")
def test_a_kustomization_is_built(kustomization: Path) -> None:
    loaded = load([kustomization], namespace="shop")
    assert ([str(each.key) for each in loaded.objects], loaded.problems) == (["ConfigMap shop/over-a"], ())
    assert loaded.objects[0].origin is not None
    assert loaded.objects[0].origin.file == f"{kustomization} (kubectl kustomize {kustomization})"
    (kustomization / "config.yaml").unlink()
    [problem] = load([kustomization]).problems
    assert str(problem).startswith(f"{kustomization}: kubectl kustomize {kustomization}: ")
    assert "config.yaml" in problem.message


@pytest.mark.skipif(find_spec("helm_python") is None, reason="no helm: pip install helm-python-sdk")
def test_a_chart_is_rendered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "helm.py").write_text(HELM)
    (tmp_path / "helm").write_text(f'#!/bin/sh\nexec "{sys.executable}" "{tmp_path}/helm.py" "$@"\n')
    (tmp_path / "helm").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    loaded = load([CHART], namespace="shop")
    assert loaded.problems == ()
    assert {each.kind for each in loaded.objects} >= {"Deployment", "Service"}
    assert all(each.namespace == "shop" for each in loaded.objects)


def test_what_lacks_is_said(kustomization: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert [str(each) for each in load([kustomization, CHART]).problems] == [
        f"{kustomization}: this is a kustomization, and there is no kubectl or kustomize on the PATH to render it",
        f"{CHART}: this is a Helm chart, and there is no helm on the PATH to render it",
    ]


def test_one_within_a_folder_of_manifests_is_to_be_named(kustomization: Path) -> None:
    (kustomization.parent / "b.yaml").write_text("apiVersion: v1\nkind: ConfigMap\nmetadata: {name: b}\n")
    loaded = load([kustomization.parent])
    assert [str(each.key) for each in loaded.objects] == ["ConfigMap default/b"]
    assert [str(each) for each in loaded.problems] == [
        f"{kustomization}: this is a kustomization within a folder of manifests; name it by itself: "
        f"sealane up {kustomization}"
    ]
