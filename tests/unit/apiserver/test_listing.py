"""Lists in pages and of versions, and watches that begin with a list, over HTTP."""

from __future__ import annotations

import asyncio
import base64
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.apiserver.asking import PATH, Asker, names, run
from tests.unit.apiserver.conftest import Cluster

from sealane.apiserver.storage import listing, store
from sealane.apiserver.storage.backends import Address
from sealane.apiserver.storage.listing import ListOptions
from sealane.apiserver.storage.selection import Selection
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds


def test_pages_show_the_state_of_the_first_page(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a", "b", "c", "d", "e")
        first = await ask(limit="2")
        assert names(first) == ["a", "b"]
        assert first["metadata"]["remainingItemCount"] == 3
        await ask.make("b5", "z")
        await ask.client.delete(kinds.CONFIGMAP, "default", "c")
        await ask.client.patch(kinds.CONFIGMAP, "default", "d", {"data": {"new": "yes"}})
        second = await ask(limit="2", **{"continue": first["metadata"]["continue"]})
        assert names(second) == ["c", "d"]
        assert "data" not in second["items"][1]
        assert second["metadata"]["resourceVersion"] == first["metadata"]["resourceVersion"]
        assert second["metadata"]["remainingItemCount"] == 1
        third = await ask(limit="2", **{"continue": second["metadata"]["continue"]})
        assert names(third) == ["e"]
        assert "continue" not in third["metadata"]
        assert "remainingItemCount" not in third["metadata"]
        assert names(await ask()) == ["a", "b", "b5", "d", "e", "z"]

    run(cluster, test)


def test_a_selected_list_does_not_say_how_much_remains(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a", "b", "c")
        page = await ask(limit="1", fieldSelector="metadata.name!=b")
        assert names(page) == ["a"]
        assert "remainingItemCount" not in page["metadata"]
        rest = await ask(fieldSelector="metadata.name!=b", **{"continue": page["metadata"]["continue"]})
        assert names(rest) == ["c"]

    run(cluster, test)


def test_a_token_that_is_too_old_comes_with_one_to_go_on_with(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a", "b", "c")
        first = await ask(limit="1")
        await ask.make("d")
        ask.api.store.history.compact(ask.api.store.version)
        gone = await ask(limit="1", **{"continue": first["metadata"]["continue"]})
        assert (gone["http"], gone["reason"]) == (410, "Expired")
        assert gone["message"].startswith("The provided continue parameter is too old to display a consistent list")
        rest = await ask(**{"continue": gone["metadata"]["continue"]})
        assert names(rest) == ["b", "c", "d"]
        assert rest["metadata"]["resourceVersion"] == str(ask.api.store.version)
        old = await ask(resourceVersion=first["metadata"]["resourceVersion"], resourceVersionMatch="Exact")
        assert (old["http"], old["message"]) == (410, "The resourceVersion for the provided list is too old.")

    run(cluster, test)


def test_versions_exact_and_not_older_than(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        version = str(ask.api.store.version)
        await ask.make("b")
        assert names(await ask(resourceVersion=version, resourceVersionMatch="Exact")) == ["a"]
        assert names(await ask(resourceVersion=version, limit="5")) == ["a"]
        assert names(await ask(resourceVersion=version, resourceVersionMatch="NotOlderThan")) == ["a", "b"]
        assert names(await ask(resourceVersion=version)) == ["a", "b"]
        assert names(await ask(resourceVersion="0", limit="1")) == ["a"]
        waiting = asyncio.create_task(ask(resourceVersion=str(ask.api.store.version + 1)))
        await asyncio.sleep(0.05)
        await ask.make("c")
        assert names(await waiting) == ["a", "b", "c"]
        monkeypatch.setattr(store.Store.reached, "__defaults__", (0.05,))
        for path in (PATH, f"{PATH}/a"):
            future = await ask(path, resourceVersion="999999")
            assert (future["http"], future["reason"]) == (504, "Timeout")
            assert future["message"] == f"Timeout: Too large resource version: 999999, current: {ask.api.store.version}"
            assert future["details"]["retryAfterSeconds"] == 1
            assert future["details"]["causes"][0]["reason"] == "ResourceVersionTooLarge"

    run(cluster, test)


def token(**fields: Any) -> str:
    return base64.urlsafe_b64encode(json.dumps(fields).encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("query", "code", "message"),
    [
        (
            {"resourceVersionMatch": "Exact"},
            422,
            "resourceVersionMatch is forbidden unless resourceVersion is provided",
        ),
        (
            {"resourceVersionMatch": "Exact", "resourceVersion": "0"},
            422,
            '"exact" is forbidden for resourceVersion "0"',
        ),
        (
            {"resourceVersionMatch": "Never", "resourceVersion": "1"},
            422,
            'Unsupported value: "Never": supported values',
        ),
        ({"resourceVersionMatch": "Exact", "resourceVersion": "1", "continue": "x"}, 422, "when continue is provided"),
        ({"sendInitialEvents": "true"}, 422, "sendInitialEvents: Forbidden: sendInitialEvents is forbidden for list"),
        (
            {"watch": "1", "sendInitialEvents": "true"},
            422,
            "sendInitialEvents requires setting resourceVersionMatch to NotOlderThan",
        ),
        (
            {"watch": "1", "resourceVersionMatch": "NotOlderThan"},
            422,
            "resourceVersionMatch is forbidden for watch unless sendInitialEvents is provided",
        ),
        ({"continue": "!"}, 400, "continue key is not valid"),
        ({"continue": token(v="v2", rv=1, start="a")}, 400, "server does not recognize this encoded version"),
        ({"continue": token(v="meta.k8s.io/v1", start="a")}, 400, "incorrect encoded start resourceVersion"),
        ({"continue": token(v="meta.k8s.io/v1", rv=1)}, 400, "encoded start key empty"),
        ({"continue": token(v="meta.k8s.io/v1", rv=1, start="../a")}, 400, "continue key is not valid: ../a"),
        ({"continue": token(v="meta.k8s.io/v1", rv=1, start="a"), "resourceVersion": "3"}, 400, "is not allowed when"),
        ({"resourceVersion": "new"}, 400, 'invalid resource version: resourceVersion: Invalid value: "new"'),
        ({"watch": "1", "resourceVersion": "new"}, 400, "invalid resource version"),
        ({"limit": "many"}, 400, 'strconv.ParseInt: parsing "many": invalid syntax'),
        ({"fieldSelector": "spec.x=1"}, 400, '"spec.x" is not a known field selector: only "metadata.name"'),
        ({"fieldSelector": "what"}, 400, "invalid selector: 'what'; can't understand 'what'"),
        ({"watch": "1", "labelSelector": "a in"}, 400, "unable to parse requirement"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    cluster: Cluster, query: dict[str, str], code: int, message: str
) -> None:
    async def test(ask: Asker) -> None:
        refused = await ask(**query)
        assert refused["http"] == refused["code"] == code
        assert refused["kind"] == "Status"
        assert message in refused["message"]

    run(cluster, test)


def test_a_streaming_list_ends_with_its_bookmark(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a", "b")
        query = {"sendInitialEvents": "true", "resourceVersionMatch": "NotOlderThan", "allowWatchBookmarks": "true"}
        watching = asyncio.create_task(ask.events(4, **query))
        await asyncio.sleep(0.1)
        await ask.make("c")
        found = await watching
        assert [event["type"] for event in found] == ["ADDED", "ADDED", "BOOKMARK", "ADDED"]
        assert found[2]["object"]["metadata"]["annotations"] == {"k8s.io/initial-events-end": "true"}
        assert found[2]["object"]["kind"] == "ConfigMap"
        assert int(found[2]["object"]["metadata"]["resourceVersion"]) >= int(
            found[1]["object"]["metadata"]["resourceVersion"]
        )

    run(cluster, test)


def test_a_watch_from_now_on_tells_only_what_comes(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        query = {"sendInitialEvents": "false", "resourceVersionMatch": "NotOlderThan"}
        watching = asyncio.create_task(ask.events(1, **query))
        await asyncio.sleep(0.1)
        await ask.make("b")
        assert [event["object"]["metadata"]["name"] for event in await watching] == ["b"]

    run(cluster, test)


def test_what_is_too_old_or_not_yet_is_told_in_the_watch(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        ask.api.store.history.compact(ask.api.store.version)
        (gone,) = await ask.events(9, resourceVersion="1")
        assert (gone["type"], gone["object"]["code"], gone["object"]["reason"]) == ("ERROR", 410, "Expired")
        monkeypatch.setattr(store.Store.reached, "__defaults__", (0.05,))
        (future,) = await ask.events(9, resourceVersion="99999")
        assert (future["type"], future["object"]["code"]) == ("ERROR", 504)
        version = str(ask.api.store.version)
        watching = asyncio.create_task(ask.events(1, resourceVersion=version))
        await asyncio.sleep(0.05)
        await ask.make("b")
        assert (await watching)[0]["object"]["metadata"]["name"] == "b"

    run(cluster, test)


def test_what_leaves_a_selection_is_shown_as_it_last_was_in_it(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        watching = asyncio.create_task(ask.events(2, labelSelector="a=1", resourceVersion=str(ask.api.store.version)))
        await asyncio.sleep(0.05)
        raw = {"metadata": {"name": "c", "namespace": "default", "labels": {"a": "1"}}}
        await ask.client.create(kinds.CONFIGMAP, raw)
        left = await ask.client.patch(kinds.CONFIGMAP, "default", "c", {"metadata": {"labels": {"a": "2"}}})
        added, deleted = await watching
        assert (added["type"], deleted["type"]) == ("ADDED", "DELETED")
        assert deleted["object"]["metadata"]["labels"] == {"a": "1"}
        assert deleted["object"]["metadata"]["resourceVersion"] == left.resource_version

    run(cluster, test)


CONFIGMAPS = ("", "configmaps")
WRITES = st.lists(
    st.tuples(st.sampled_from(["n1", "n2"]), st.sampled_from("abcdefg"), st.booleans()), min_size=1, max_size=30
)


@settings(max_examples=60, deadline=None)
@given(st.lists(WRITES, min_size=1, max_size=6), st.integers(1, 4), st.sampled_from([None, "n1"]))
def test_pages_between_any_writes_make_up_one_state(
    tmp_path_factory: pytest.TempPathFactory, rounds: list[Any], limit: int, namespace: str | None
) -> None:
    """A page is read after each round of writes; together they are what there was when the first one was read."""

    async def inside() -> None:
        kept = Store.open(tmp_path_factory.mktemp("pages") / "store.db")
        state: dict[tuple[str, str], int] = {}
        expected: dict[tuple[str, str], int] = {}
        found: list[tuple[str, str, int]] = []
        options = ListOptions(limit=limit)
        for number, writes in enumerate(rounds):
            for each, name, deletes in writes:
                if deletes and (each, name) not in state:
                    continue
                raw = {"metadata": {"name": name, "namespace": each, "uid": f"{each}/{name}"}}
                stored = kept.stamped(raw)
                kept.enqueue(Address(CONFIGMAPS, each, name), stored, deletes)
                if deletes:
                    del state[(each, name)]
                else:
                    state[(each, name)] = stored.version
            await kept.flush()
            if number == 0:
                expected = {key: value for key, value in state.items() if namespace in (None, key[0])}
            if number == 0 or options.token:
                page = listing.page(kept, CONFIGMAPS, Selection(namespace), options)
                found += [(each.object.namespace, each.object.name, each.version) for each in page.items]
                options = ListOptions(limit=limit, token=page.token)
                assert page.remaining == (len(expected) - len(found) if page.token else None)
        while options.token:
            page = listing.page(kept, CONFIGMAPS, Selection(namespace), options)
            found += [(each.object.namespace, each.object.name, each.version) for each in page.items]
            options = ListOptions(limit=limit, token=page.token)
        kept.close()
        assert found == [(*key, value) for key, value in sorted(expected.items())]

    asyncio.run(inside())
