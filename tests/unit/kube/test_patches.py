from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw
from sealane.kube.patches import apply_patch, json_patch, merge_patch, strategic_merge

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-3, 3) | st.text("ab~/", max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab~/", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("document", "operations", "expected"),
    [  # RFC 6902, appendix A, in its order
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux"}], {"baz": "qux", "foo": "bar"}),
        ({"foo": ["bar", "baz"]}, [{"op": "add", "path": "/foo/1", "value": "qux"}], {"foo": ["bar", "qux", "baz"]}),
        ({"baz": "qux", "foo": "bar"}, [{"op": "remove", "path": "/baz"}], {"foo": "bar"}),
        ({"foo": ["bar", "qux", "baz"]}, [{"op": "remove", "path": "/foo/1"}], {"foo": ["bar", "baz"]}),
        ({"baz": "qux", "foo": 1}, [{"op": "replace", "path": "/baz", "value": "boo"}], {"baz": "boo", "foo": 1}),
        (
            {"foo": {"bar": "baz", "waldo": "fred"}, "qux": {"corge": "grault"}},
            [{"op": "move", "from": "/foo/waldo", "path": "/qux/thud"}],
            {"foo": {"bar": "baz"}, "qux": {"corge": "grault", "thud": "fred"}},
        ),
        (
            {"foo": ["all", "grass", "cows", "eat"]},
            [{"op": "move", "from": "/foo/1", "path": "/foo/3"}],
            {"foo": ["all", "cows", "eat", "grass"]},
        ),
        (
            {"baz": "qux", "foo": ["a", 2, "c"]},
            [{"op": "test", "path": "/baz", "value": "qux"}, {"op": "test", "path": "/foo/1", "value": 2.0}],
            {"baz": "qux", "foo": ["a", 2, "c"]},
        ),
        (
            {"foo": "bar"},
            [{"op": "add", "path": "/child", "value": {"grandchild": {}}}],
            {"foo": "bar", "child": {"grandchild": {}}},
        ),
        ({"foo": "bar"}, [{"op": "add", "path": "/baz", "value": "qux", "xyz": 123}], {"foo": "bar", "baz": "qux"}),
        ({"/": 9, "~1": 10}, [{"op": "test", "path": "/~01", "value": 10}], {"/": 9, "~1": 10}),
        ({"foo": ["bar"]}, [{"op": "add", "path": "/foo/-", "value": ["abc"]}], {"foo": ["bar", ["abc"]]}),
        ({"foo": None}, [{"op": "add", "path": "", "value": {"bar": 1}}], {"bar": 1}),
    ],
)
def test_json_patch_as_in_the_rfc(document: Any, operations: Any, expected: Any) -> None:
    before = copy.deepcopy(document)
    assert json_patch(document, operations) == expected
    assert document == before


@pytest.mark.parametrize(
    ("operations", "code", "message"),
    [
        ({"op": "add"}, 400, "array of operations"),
        ([{"op": "jump", "path": "/a"}], 400, "expected one of add, remove"),
        ([{"op": "add", "path": "/a"}], 400, "needs a value"),
        ([{"op": "add", "path": "a", "value": 1}], 400, "not a JSON pointer"),
        ([{"op": "test", "path": "/n", "value": 2}], 422, "testing path /n failed"),
        ([{"op": "test", "path": "/n", "value": True}], 422, "testing path /n failed"),
        ([{"op": "remove", "path": "/x"}], 422, "there is no /x"),
        ([{"op": "replace", "path": "/x", "value": 1}], 422, "there is no /x"),
        ([{"op": "add", "path": "/x/y", "value": 1}], 422, "there is no /x"),
        ([{"op": "add", "path": "/list/2", "value": 1}], 422, "beyond the end"),
        ([{"op": "add", "path": "/list/01", "value": 1}], 422, "not an index"),
        ([{"op": "move", "from": "/a", "path": "/a/b"}], 400, "into itself"),
        ([{"op": "replace", "path": "", "value": 1}], 422, "JSON number"),
    ],
)
def test_json_patch_refuses(operations: Any, code: int, message: str) -> None:
    document = {"n": 1, "list": [0], "a": {}}
    with pytest.raises(ApiError, match=message) as caught:
        apply_patch(kinds.POD, document, operations, "json")
    assert caught.value.code == code


@pytest.mark.parametrize(
    ("target", "patch", "expected"),
    [  # RFC 7386, appendix A
        ({"a": "b"}, {"a": "c"}, {"a": "c"}),
        ({"a": "b"}, {"b": "c"}, {"a": "b", "b": "c"}),
        ({"a": "b"}, {"a": None}, {}),
        ({"a": "b", "b": "c"}, {"a": None}, {"b": "c"}),
        ({"a": ["b"]}, {"a": "c"}, {"a": "c"}),
        ({"a": "c"}, {"a": ["b"]}, {"a": ["b"]}),
        ({"a": {"b": "c"}}, {"a": {"b": "d", "c": None}}, {"a": {"b": "d"}}),
        ({"a": [{"b": "c"}]}, {"a": [1]}, {"a": [1]}),
        (["a", "b"], ["c", "d"], ["c", "d"]),
        ({"a": "b"}, ["c"], ["c"]),
        ({"a": "foo"}, None, None),
        ({"e": None}, {"a": 1}, {"e": None, "a": 1}),
        ([1, 2], {"a": "b", "c": None}, {"a": "b"}),
        ({}, {"a": {"bb": {"ccc": None}}}, {"a": {"bb": {}}}),
    ],
)
def test_merge_patch_as_in_the_rfc(target: Any, patch: Any, expected: Any) -> None:
    assert merge_patch(target, patch) == expected


@given(JSON, JSON)
def test_a_merge_patch_applied_twice_changes_nothing_more(target: Any, patch: Any) -> None:
    before = copy.deepcopy((target, patch))
    once = merge_patch(target, patch)
    assert merge_patch(once, patch) == once
    assert (target, patch) == before


@given(JSON, st.data())
def test_add_then_remove_gives_back_the_document(document: Any, data: st.DataObject) -> None:
    paths: list[str] = []

    def walk(value: Any, path: str) -> None:
        if isinstance(value, dict):
            paths.append(path + "/new")
            for key, item in value.items():
                walk(item, path + "/" + key.replace("~", "~0").replace("/", "~1"))
        elif isinstance(value, list):
            paths.extend(f"{path}/{index}" for index in range(len(value) + 1))
            for index, item in enumerate(value):
                walk(item, f"{path}/{index}")

    walk(document, "")
    if not paths:
        return
    before = copy.deepcopy(document)
    path, value = data.draw(st.sampled_from(paths)), data.draw(JSON)
    added = json_patch(document, [{"op": "add", "path": path, "value": value}])
    json_patch(added, [{"op": "test", "path": path, "value": value}])
    assert json_patch(added, [{"op": "remove", "path": path}]) == before
    assert document == before


def containers(*names: str) -> Raw:
    return {"spec": {"containers": [{"name": name, "image": f"{name}:1"} for name in names]}}


def names(pod: Raw) -> list[str]:
    return [each["name"] for each in pod["spec"]["containers"]]


def test_strategic_merges_lists_of_objects_by_their_key() -> None:
    pod = containers("a", "b")
    patched = strategic_merge(kinds.POD, pod, {"spec": {"containers": [{"name": "b", "image": "b:2"}]}})
    assert patched["spec"]["containers"] == [{"name": "a", "image": "a:1"}, {"name": "b", "image": "b:2"}]
    assert pod == containers("a", "b")


def test_strategic_deletes_and_replaces_elements() -> None:
    pod = containers("a", "b")
    delete = {"spec": {"containers": [{"$patch": "delete", "name": "a"}]}}
    assert names(strategic_merge(kinds.POD, pod, delete)) == ["b"]
    replace = {"spec": {"containers": [{"$patch": "replace"}, {"name": "c"}]}}
    assert strategic_merge(kinds.POD, pod, replace) == {"spec": {"containers": [{"name": "c"}]}}


@pytest.mark.parametrize(
    ("before", "patch", "order", "expected"),
    [
        (["a", "b"], ["c"], None, ["c", "a", "b"]),
        (["a", "b"], ["b", "c"], None, ["a", "b", "c"]),
        (["a", "b"], ["b", "a"], None, ["b", "a"]),
        (["a", "b"], ["c"], ["a", "b", "c"], ["a", "b", "c"]),
        (["a", "b"], ["c"], ["a", "c", "b"], ["a", "c", "b"]),
        (["a", "x", "b"], [], ["b", "a"], ["x", "b", "a"]),
        (["a", "b", "x"], ["c"], ["a", "b", "c"], ["a", "b", "c", "x"]),
    ],
)
def test_strategic_order_of_elements(
    before: list[str], patch: list[str], order: list[str] | None, expected: list[str]
) -> None:
    spec: Raw = {"containers": [{"name": name} for name in patch]}
    if order is not None:
        spec["$setElementOrder/containers"] = [{"name": name} for name in order]
    assert names(strategic_merge(kinds.POD, containers(*before), {"spec": spec})) == expected


def test_strategic_merge_keys_depend_on_the_place() -> None:
    service = {"spec": {"ports": [{"port": 80, "name": "http"}, {"port": 443, "name": "https"}]}}
    patch = {"spec": {"ports": [{"port": 80, "targetPort": 8080}]}}
    assert strategic_merge(kinds.SERVICE, service, patch)["spec"]["ports"] == [
        {"port": 80, "name": "http", "targetPort": 8080},
        {"port": 443, "name": "https"},
    ]
    pod = {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80}]}]}}
    patch = {"spec": {"containers": [{"name": "a", "ports": [{"containerPort": 80, "name": "http"}]}]}}
    assert strategic_merge(kinds.POD, pod, patch) == patch
    policy = {"spec": {"ingress": [{"ports": [{"port": 80}]}]}}
    patch = {"spec": {"ingress": [{"ports": [{"port": 81}]}]}}
    assert strategic_merge(kinds.NETWORKPOLICY, policy, patch) == patch


def test_strategic_lists_without_a_merge_strategy_are_replaced() -> None:
    pod = {"spec": {"tolerations": [{"key": "a"}], "containers": [{"name": "a", "args": ["x", "y"]}]}}
    patch = {"spec": {"tolerations": [{"key": "b"}], "containers": [{"name": "a", "args": ["z"]}]}}
    assert strategic_merge(kinds.POD, pod, patch) == patch


def test_strategic_primitive_lists_are_united_and_thinned() -> None:
    before = {"metadata": {"finalizers": ["a", "b"]}}
    added = strategic_merge(kinds.POD, before, {"metadata": {"finalizers": ["b", "c"]}})
    assert added == {"metadata": {"finalizers": ["a", "b", "c"]}}
    gone = strategic_merge(kinds.POD, before, {"metadata": {"$deleteFromPrimitiveList/finalizers": ["a", "z"]}})
    assert gone == {"metadata": {"finalizers": ["b"]}}


def test_strategic_maps() -> None:
    before = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    assert strategic_merge(kinds.POD, before, {"metadata": {"labels": {"a": None, "c": "3"}}}) == {
        "metadata": {"labels": {"b": "2", "c": "3"}}
    }
    assert strategic_merge(kinds.POD, before, {"metadata": {"labels": {"$patch": "replace", "x": "y"}}}) == {
        "metadata": {"labels": {"x": "y"}}
    }
    assert strategic_merge(kinds.POD, before, {"metadata": {"labels": {"$patch": "delete"}}}) == {
        "metadata": {"labels": {}}
    }
    assert strategic_merge(kinds.POD, {}, {"spec": {"a": {"b": None, "c": 1}}}) == {"spec": {"a": {"c": 1}}}


def test_retain_keys_drops_what_it_does_not_list() -> None:
    before = {"spec": {"strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1}}}}
    patch = {"spec": {"strategy": {"$retainKeys": ["type"], "type": "Recreate"}}}
    assert strategic_merge(kinds.DEPLOYMENT, before, patch) == {"spec": {"strategy": {"type": "Recreate"}}}
    bad = {"spec": {"strategy": {"$retainKeys": ["type"], "rollingUpdate": {}}}}
    with pytest.raises(ApiError, match="retainKeys"):
        strategic_merge(kinds.DEPLOYMENT, before, bad)


def test_strategic_errors() -> None:
    with pytest.raises(ApiError, match="lacks 'name'") as caught:
        strategic_merge(kinds.POD, containers("a"), {"spec": {"containers": [{"image": "b"}]}})
    assert caught.value.code == 422
    with pytest.raises(ApiError, match="expected replace or delete"):
        strategic_merge(kinds.POD, {}, {"$patch": "merge"})
    with pytest.raises(ApiError) as caught:
        apply_patch(kinds.HTTPROUTE, {}, {}, "strategic")
    assert caught.value.code == 415
    with pytest.raises(ApiError, match="must be a JSON object, got array"):
        apply_patch(kinds.POD, {}, [], "merge")


NAMES = st.lists(st.sampled_from("abcdef"), unique=True, max_size=6)


@given(NAMES, NAMES, NAMES)
def test_strategic_keeps_every_element_and_the_given_order(
    before: list[str], patch: list[str], order: list[str]
) -> None:
    order = list(dict.fromkeys([*order, *patch]))
    spec = {
        "containers": [{"name": name, "image": "new"} for name in patch],
        "$setElementOrder/containers": [{"name": name} for name in order],
    }
    result = strategic_merge(kinds.POD, containers(*before), {"spec": spec})
    assert sorted(names(result)) == sorted({*before, *patch})
    assert [name for name in names(result) if name in order] == [name for name in order if name in {*before, *patch}]
    others = [name for name in before if name not in order]
    assert [name for name in names(result) if name in others] == others
    for each in result["spec"]["containers"]:
        assert each["image"] == ("new" if each["name"] in patch else f"{each['name']}:1")


def test_copies_grow_an_object_by_no_more_than_3_mib_and_200_levels() -> None:
    doubling = [{"op": "copy", "from": "", "path": "/a"}, {"op": "copy", "from": "", "path": "/b"}] * 40
    with pytest.raises(ApiError, match="exceeding the limit 3145728"):
        json_patch({"data": "x" * 100}, doubling)
    deeper = [{"op": "add", "path": "/a" * count, "value": {}} for count in range(1, 1001)]
    with pytest.raises(ApiError, match="exceeded max depth of 200"):
        json_patch({}, deeper)
    with pytest.raises(ApiError, match="exceeded max depth of 200"):
        json_patch({}, [*deeper[:150], {"op": "copy", "from": "", "path": "/a" * 150}])
