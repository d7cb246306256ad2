"""The three-way merge of `cluster.apply`."""

from hypothesis import given
from hypothesis import strategies as st

from sealane.cluster.apply import three_way

LEAF = st.one_of(st.integers(0, 3), st.text("ab", max_size=2), st.lists(st.integers(0, 2), max_size=2))
TREE = st.recursive(
    st.dictionaries(st.sampled_from("abc"), LEAF, max_size=3),
    lambda inner: st.dictionaries(st.sampled_from("abc"), st.one_of(LEAF, inner), max_size=3),
    max_leaves=8,
)


def merge(current: dict, patch: dict) -> dict:
    """RFC 7386, section 2."""
    result = dict(current)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, dict):
            result[key] = merge(result[key] if isinstance(result.get(key), dict) else {}, value)
        else:
            result[key] = value
    return result


@given(TREE, TREE)
def test_applying_the_next_manifest_gives_that_manifest(first: dict, second: dict) -> None:
    assert merge(first, three_way(first, second, first)) == second


def test_what_others_wrote_stays() -> None:
    current = {"spec": {"replicas": 3, "paused": True}, "status": {"ready": 1}}
    assert three_way({"spec": {"replicas": 2}}, {"spec": {"replicas": 2}}, current) == {"spec": {"replicas": 2}}
    assert three_way({}, {"spec": {"replicas": 3}}, current) == {}


def test_what_the_last_manifest_held_goes() -> None:
    before = {"metadata": {"labels": {"a": "1", "b": "2"}}}
    after = {"metadata": {"labels": {"a": "1"}}}
    assert three_way(before, after, before) == {"metadata": {"labels": {"b": None}}}


def test_defaults_inside_lists_are_no_difference() -> None:
    wanted = {"ports": [{"port": 80}]}
    assert three_way(wanted, wanted, {"ports": [{"port": 80, "protocol": "TCP"}]}) == {}
    assert three_way(wanted, {"ports": [{"port": 81}]}, wanted) == {"ports": [{"port": 81}]}
