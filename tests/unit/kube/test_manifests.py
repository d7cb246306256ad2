from __future__ import annotations

import io
from pathlib import Path

import pytest

from sealane.kube.manifests import Manifests, load
from sealane.kube.manifests.documents import Document, documents

CASES = Path(__file__).parent / "manifests"
CORPUS = Path(__file__).parents[4] / "shared" / "corpus"


@pytest.mark.parametrize("name", ["shop", "kinds", "yaml", "duplicate", "network", "good"])
def test_every_problem_in_one_line(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    loaded = load([f"{name}.in.yaml"])
    assert "".join(f"{problem}\n" for problem in loaded.problems) == (CASES / f"{name}.out.txt").read_text()


def keys(loaded: Manifests) -> list[str]:
    return [str(each.key) for each in loaded.objects]


def test_what_is_read() -> None:
    loaded = load([CASES / "good.in.yaml"])
    assert keys(loaded) == [
        "ConfigMap default/words",
        "CustomResourceDefinition lamps.example.com",
        "Lamp desk",
        "Service shop/cart",
    ]
    words, _, lamp, cart = loaded.objects
    assert words.raw["metadata"]["labels"] == {"true": "yes"}
    assert loaded.kind_of(lamp).path("", "desk") == "/apis/example.com/v1/lamps/desk"
    assert loaded.kind_of(cart).plural == "services"
    assert "selector" not in cart.spec
    assert cart.origin is not None
    assert cart.origin.at("spec", "ports", 0, "port").endswith("good.in.yaml:33")
    assert cart.origin.at("metadata", "name").endswith("good.in.yaml:32")
    assert words.origin is not None
    assert words.origin.at("metadata", "labels", "true").endswith("good.in.yaml:6")


def test_kinds_that_a_cluster_knows_need_no_definition_among_the_files() -> None:
    _, definition, lamp, _ = load([CASES / "good.in.yaml"]).objects
    text = "apiVersion: example.com/v1\nkind: Lamp\nmetadata: {name: floor}\n"
    assert "give its CustomResourceDefinition" in str(load(["-"], stdin=[text]).problems[0])
    loaded = load(["-"], stdin=[text], known=[definition.raw])
    assert not loaded.problems
    assert loaded.kind_of(loaded.objects[0]) == loaded.kind_of(lamp)


def test_the_core_group_may_be_written_with_its_slash() -> None:
    loaded = load(["-"], stdin=["apiVersion: /v1\nkind: ConfigMap\nmetadata: {name: a}\n"])
    assert not loaded.problems
    assert [each.raw["apiVersion"] for each in loaded.objects] == ["v1"]


def test_sound_objects_are_there_beside_problems() -> None:
    assert keys(load([CASES / "yaml.in.yaml"])) == ["ConfigMap default/fine"]
    assert keys(load([CASES / "duplicate.in.yaml"])) == ["Service default/cart", "Service other/cart"]


def test_of_one_object_given_twice_the_last_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(CASES)
    loaded = load(["duplicate.in.yaml"])
    assert next(each for each in loaded.objects if each.namespace == "default").spec["ports"] == [{"port": 81}]
    assert [str(each) for each in loaded.warnings] == [
        "duplicate.in.yaml:6: Service default/cart: the same object is otherwise at duplicate.in.yaml:1; "
        "this one, the last, counts"
    ]
    text = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: a}\n"
    loaded = load(["-"], stdin=[text + "---\n" + text])
    assert (keys(loaded), loaded.problems, loaded.warnings) == (["ConfigMap default/a"], (), ())


def test_lists_of_one_kind() -> None:
    text = """apiVersion: v1
kind: ConfigMapList
items:
- metadata: {name: a}
- apiVersion: v1
  kind: ConfigMap
  metadata: {name: b, labels: {on: 1}}
---
apiVersion: apps/v1
kind: DeploymentList
items: []
---
{apiVersion: v1, kind: PodList, items: null}
"""
    loaded = load(["-"], stdin=[text])
    assert keys(loaded) == ["ConfigMap default/a"]
    assert [str(each) for each in loaded.problems] == [
        'stdin:7: ConfigMap b: metadata.labels[true]: expected string, got integer 1 (put it in quotes: "1")'
    ]


def test_scalars_are_read_as_kubectl_reads_them() -> None:
    (found,) = documents((CASES / "scalars.in.yaml").read_text())
    assert isinstance(found, Document)
    assert found.value == {
        "a": [True, False, True, False, True, False, True, "yes", "on", "true"],
        "b": [511, 15, 31, 5, 1000, -5, 5, "12:30", "1:30:00", 1000, 1.5, 5, 0.5, 89, "8080"],
        "c": ["2026-01-02", None, None, "1.2.3", "1e3x", "10.0.0.1", "", "v1"],
        "d": {"80": "x", "true": True, "null": "z"},
        "base": {"p": 1, "q": 2},
        "e": {"p": 1, "q": 3},
    }
    assert found.lines[("e", "p")] == 5
    assert found.lines[("e", "q")] == 6


def test_folders_stdin_and_what_cannot_be_read(tmp_path: Path) -> None:
    config = "apiVersion: v1\nkind: ConfigMap\nmetadata: {name: NAME}\n"
    (tmp_path / "deep/er").mkdir(parents=True)
    (tmp_path / "empty").mkdir()
    (tmp_path / "deep/er/b.yml").write_text(config.replace("NAME", "b"))
    (tmp_path / "deep/a.yaml").write_text(config.replace("NAME", "a"))
    (tmp_path / "deep/c.json").write_text('{\n\t"apiVersion": "v1",\n\t"kind": "ConfigMap", "metadata": {"name": "c"}}')
    (tmp_path / "deep/notes.txt").write_text("{{{")
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00")
    stdin = io.StringIO(config.replace("NAME", "d") + "  wrong: 1\n")
    paths = ["deep", "deep/a.yaml", "-", "empty", "absent.yaml", "binary.yaml"]
    loaded = load([tmp_path / each if each != "-" else "-" for each in paths], stdin=stdin)
    assert keys(loaded) == ["ConfigMap default/a", "ConfigMap default/c", "ConfigMap default/b"]
    assert [str(each).replace(str(tmp_path), "") for each in loaded.problems] == [
        "stdin:4: cannot be read as YAML: while parsing a block mapping: did not find expected key",
        "/empty: no manifest in this folder (looked for *.yaml, *.yml, *.json)",
        "/absent.yaml: no such file or directory",
        "/binary.yaml: not a text file (UTF-8)",
    ]


def test_an_alias_bomb_is_refused() -> None:
    text = "a0: &a0 [x, x]\n" + "".join(f"a{n}: &a{n} [*a{n - 1}, *a{n - 1}, *a{n - 1}]\n" for n in range(1, 30))
    (found,) = documents(text)
    assert not isinstance(found, Document)
    assert "alias" in found.message


@pytest.mark.skipif(not CORPUS.is_dir(), reason="no corpus here")
def test_the_corpus_is_read_or_refused_in_lines() -> None:
    files = sorted(CORPUS.glob("*.yaml"))
    loaded = load(files)
    assert loaded.objects
    for problem in loaded.problems:
        assert problem.file
        assert problem.line
        assert "\n" not in str(problem)


def test_problems_stand_in_the_order_of_the_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("apiVersion: v1\nkind: Servce\nmetadata: {name: a}\n")
    (tmp_path / "b.yaml").write_bytes(b"\xff")
    (tmp_path / "c.yaml").write_text("\t- x\n")
    (tmp_path / "d.yaml").write_text("just words\n")
    problems = load([tmp_path, "missing.yaml"]).problems
    assert [Path(each.file).name for each in problems] == ["a.yaml", "b.yaml", "c.yaml", "d.yaml", "missing.yaml"]
    assert str(problems[3]).endswith(
        'd.yaml:1: expected an object with apiVersion, kind and metadata, got "just words"'
    )


def test_a_file_without_an_object_is_told_unless_others_have_some(tmp_path: Path) -> None:
    (tmp_path / "empty.yaml").write_text("# nothing\n---\n")
    assert [str(each) for each in load([tmp_path]).problems] == [f"{tmp_path}/empty.yaml: holds no object"]
    assert load([tmp_path, CASES / "good.in.yaml"]).problems == ()
    assert [str(each) for each in load(["-"], stdin=[""]).problems] == ["stdin: holds no object"]


def test_what_is_out_of_date_is_taken_with_a_warning() -> None:
    service = (
        "apiVersion: v1\nkind: Service\nmetadata: {name: a}\nspec:\n  topologyKeys: ['*']\n  ports: [{port: 80}]\n"
    )
    loaded = load(["-"], stdin=io.StringIO(service))
    assert keys(loaded) == ["Service default/a"]
    assert not loaded.problems
    [warning] = loaded.warnings
    assert str(warning).startswith("stdin:5: Service a: spec.topologyKeys [*] was removed in Kubernetes 1.22; ")
