from collections.abc import Iterable

from hypothesis import given
from hypothesis import strategies as st

from sealane.reactive.collections import Graph, Source, derive
from sealane.reactive.groups import group

CHANGES = st.lists(
    st.tuples(
        st.sampled_from(["left", "right"]),
        st.integers(0, 5),
        st.one_of(st.none(), st.frozensets(st.sampled_from("abc"))),
    ),
    max_size=30,
)


@given(CHANGES)
def test_groups_equal_those_from_scratch(changes: list[tuple[str, int, frozenset[str] | None]]) -> None:
    graph = Graph()
    sources: dict[str, Source[int, frozenset[str]]] = {name: Source(graph, name) for name in ("left", "right")}
    groups = group("groups", [(source, iter) for source in sources.values()], lambda _entry, members: list(members))
    counts = group("counts", [(source, iter) for source in sources.values()], lambda _entry, members: len(members))
    doubled = derive("doubled", counts, lambda _key, count, _fetch: count * 2)
    for name, key, value in changes:
        if value is None:
            sources[name].remove(key)
        else:
            sources[name].set(key, value)
        expected = {
            entry: found
            for entry in "abc"
            if (
                found := [
                    source.get(key) for source in sources.values() for key in sorted(source) if entry in source.get(key)
                ]
            )
        }
        assert dict(groups.items()) == expected
        assert dict(doubled.items()) == {entry: len(found) * 2 for entry, found in expected.items()}


def test_only_touched_entries_are_folded() -> None:
    graph = Graph()
    words: Source[int, str] = Source(graph, "words")
    folded: list[str] = []

    def fold(letter: str, members: object) -> str:
        folded.append(letter)
        return "".join(members)  # type: ignore[call-overload]

    with graph.batch():
        words.replace({1: "ab", 2: "bc", 3: "de"})
    groups = group("by letter", [(words, iter)], fold)
    assert groups.get("b") == "abbc"
    folded.clear()
    words.set(2, "c")
    assert sorted(folded) == ["b", "c"]
    assert groups.get("b") == "ab"


def test_a_failing_fold_leaves_the_others() -> None:
    failed: list[tuple[str, object]] = []
    graph = Graph(lambda name, key, _error: failed.append((name, key)))
    words: Source[int, str] = Source(graph, "words")

    def fold(letter: str, members: object) -> str:
        if letter == "x":
            raise ValueError("x")
        return letter

    groups = group("g", [(words, iter)], fold)
    words.set(1, "ax")
    assert dict(groups.items()) == {"a": "a"}
    assert failed == [("g", "x")]


def test_a_value_whose_index_fails_is_in_no_group_and_harms_nobody() -> None:
    told: list[str] = []
    graph = Graph(on_error=lambda name, key, error: told.append(str(error)))
    numbers = Source[str, int](graph, "numbers")

    def parity(value: int) -> Iterable[str]:
        if value == 13:
            raise ValueError("unlucky")
        return ("odd" if value % 2 else "even",)

    counts = group("counts", [(numbers, parity)], lambda _entry, members: len(members))
    with graph.batch():
        numbers.set("a", 1)
        numbers.set("b", 13)
        numbers.set("c", 2)
    assert dict(counts.items()) == {"odd": 1, "even": 1}
    assert told == ["unlucky"]
