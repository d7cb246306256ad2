"""The differ: an applier that always takes everything ends where the collection is."""

from __future__ import annotations

import asyncio

from hypothesis import given
from hypothesis import strategies as st

from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Graph, Source
from sealane.reactive.differ import Differ

FAST = Backoff(first=0.001, longest=0.01)


def collection(**values: int) -> Source[str, int]:
    source = Source[str, int](Graph(), "numbers")
    source.replace(values)
    return source


def test_many_changes_of_one_key_are_one_step() -> None:
    source = collection(a=1)
    differ = Differ(source)
    assert differ.take() == {"a": (None, 1)}
    source.set("a", 2)
    source.set("b", 5)
    source.set("a", 3)
    assert differ.take() == {"a": (1, 3), "b": (None, 5)}
    source.set("a", 4)
    source.set("a", 3)
    assert differ.take() == {}
    source.remove("a")
    assert differ.take() == {"a": (3, None)}


def test_failed_steps_come_again_with_what_is_really_applied() -> None:
    source = collection(a=1)
    differ = Differ(source)
    steps = differ.take()
    source.set("a", 2)
    differ.failed(steps)
    steps = differ.take()
    assert steps == {"a": (None, 2)}
    source.remove("a")
    differ.failed(steps)  # half of it may have been done: it comes although nothing is wanted, as before
    assert differ.take() == {"a": (None, None)}
    assert differ.take() == {}


def test_reset_starts_from_nothing() -> None:
    source = collection(a=1, b=2)
    differ = Differ(source)
    differ.take()
    differ.reset()
    assert differ.take() == {"a": (None, 1), "b": (None, 2)}


events = st.lists(
    st.one_of(
        st.tuples(st.just("set"), st.sampled_from("abc"), st.integers(0, 3)),
        st.tuples(st.just("remove"), st.sampled_from("abc"), st.just(0)),
        st.tuples(st.just("apply"), st.just(""), st.just(0)),
        st.tuples(st.just("fail"), st.just(""), st.just(0)),
    ),
    max_size=30,
)


@given(events)
def test_the_world_follows_the_collection(script: list[tuple[str, str, int]]) -> None:
    source = collection()
    differ = Differ(source)
    world: dict[str, int] = {}
    for event, key, value in [*script, ("apply", "", 0)]:
        match event:
            case "set":
                source.set(key, value)
            case "remove":
                source.remove(key)
            case "fail":
                differ.failed(differ.take())
            case "apply":
                for name, (applied, wanted) in differ.take().items():
                    assert world.get(name) == applied
                    world.pop(name, None)
                    if wanted is not None:
                        world[name] = wanted
    assert world == dict(source.items())


def test_run_applies_one_batch_at_a_time_and_tries_again() -> None:
    async def scenario() -> None:
        source = collection(a=1)
        differ = Differ(source, backoff=FAST)
        world: dict[str, int] = {}
        at_once = 0
        failures = 2

        async def apply(steps: dict[str, tuple[int | None, int | None]]) -> None:
            nonlocal at_once, failures
            at_once += 1
            assert at_once == 1
            await asyncio.sleep(0)
            at_once -= 1
            if failures:
                failures -= 1
                raise OSError("no")
            for name, (_, wanted) in steps.items():
                world.pop(name, None)
                if wanted is not None:
                    world[name] = wanted

        task = asyncio.create_task(differ.run(apply))
        await asyncio.wait_for(differ.settled(), 1)
        assert world == {"a": 1}
        source.replace({"b": 2, "c": 3})
        await asyncio.wait_for(differ.settled(), 1)
        assert world == {"b": 2, "c": 3}
        task.cancel()

    asyncio.run(scenario())
