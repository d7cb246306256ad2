"""Server-side apply: ownership of fields, conflicts, force, removal, by KEP-555 and against a plain model."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.unit.apiserver.conftest import Cluster

from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.objects import fieldsets
from sealane.apiserver.objects.apply import applied
from sealane.apiserver.objects.ownership import updated
from sealane.apiserver.server import start_api
from sealane.apiserver.storage.store import Store
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

NOW = "2026-01-01T00:00:00Z"


def deployment(**spec: Any) -> Raw:
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "web"}, "spec": spec}


def template(*containers: Raw) -> Raw:
    return {"spec": {"containers": list(containers)}}


def managers(raw: Raw) -> dict[str, Any]:
    return {each["manager"]: each["fieldsV1"] for each in raw["metadata"].get("managedFields", ())}


def apply(live: Raw | None, config: Raw, manager: str, force: bool = False) -> Raw:
    return applied(live, config, manager, shape(config), force=force, now=NOW)


def shape(raw: Raw) -> fieldsets.Shape:
    return fieldsets.shape_of(raw["apiVersion"], raw["kind"])


def test_what_is_applied_is_recorded_as_fields_of_the_manager() -> None:
    raw = apply(None, deployment(replicas=2, template=template({"name": "c", "image": "a", "args": ["x"]})), "alice")
    assert managers(raw) == {
        "alice": {
            "f:spec": {
                "f:replicas": {},
                "f:template": {
                    "f:spec": {"f:containers": {'k:{"name":"c"}': {".": {}, "f:name": {}, "f:image": {}, "f:args": {}}}}
                },
            }
        }
    }


def test_two_managers_share_a_list_by_its_keys() -> None:
    live = apply(None, deployment(template=template({"name": "a", "image": "1"})), "alice")
    live = apply(live, deployment(template=template({"name": "b", "image": "2"})), "bob")
    assert [each["name"] for each in live["spec"]["template"]["spec"]["containers"]] == ["a", "b"]
    live = apply(live, deployment(replicas=1), "bob")
    assert [each["name"] for each in live["spec"]["template"]["spec"]["containers"]] == ["a"]
    assert live["spec"]["replicas"] == 1


def test_a_field_that_another_manages_is_a_conflict_unless_forced() -> None:
    live = apply(None, deployment(replicas=2), "alice")
    with pytest.raises(ApiError) as refused:
        apply(live, deployment(replicas=3), "bob")
    assert refused.value.message == 'Apply failed with 1 conflict: conflict with "alice": .spec.replicas'
    assert refused.value.details["causes"] == [
        {
            "reason": "FieldManagerConflict",
            "message": 'conflict with "alice"',
            "field": ".spec.replicas",
        }
    ]
    taken = apply(live, deployment(replicas=3), "bob", force=True)
    assert taken["spec"]["replicas"] == 3
    assert managers(taken) == {"bob": {"f:spec": {"f:replicas": {}}}}


def test_the_same_value_is_shared_and_stays_until_its_last_manager_leaves_it() -> None:
    live = apply(None, deployment(replicas=2, paused=True), "alice")
    live = apply(live, deployment(replicas=2), "bob")
    live = apply(live, deployment(paused=True), "alice")
    assert live["spec"] == {"replicas": 2, "paused": True}
    live = apply(live, deployment(), "bob")
    assert live["spec"] == {"paused": True}


def test_applying_again_changes_nothing() -> None:
    live = apply(None, deployment(replicas=2, template=template({"name": "c", "image": "a"})), "alice")
    config = deployment(replicas=2, template=template({"name": "c", "image": "a"}))
    again = applied(live, config, "alice", shape(live), force=False, now="later")
    assert again == live


def test_ports_are_told_apart_by_number_and_protocol_with_its_default() -> None:
    def service(*ports: Raw) -> Raw:
        return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"}, "spec": {"ports": list(ports)}}

    live = apply(None, service({"port": 53, "protocol": "UDP"}, {"port": 53, "name": "tcp"}), "alice")
    live["spec"]["ports"][1]["protocol"] = "TCP"  # as the server fills it in
    live = apply(live, service({"port": 53, "targetPort": 5353}), "bob")
    assert live["spec"]["ports"] == [
        {"port": 53, "protocol": "UDP"},
        {"port": 53, "name": "tcp", "protocol": "TCP", "targetPort": 5353},
    ]


def test_twice_the_same_key_is_refused() -> None:
    with pytest.raises(ApiError, match="duplicate entries for key") as refused:
        apply(None, deployment(template=template({"name": "c"}, {"name": "c"})), "alice")
    assert refused.value.code == 400


def test_what_was_there_before_the_first_apply_has_a_manager_of_its_own() -> None:
    live = {**deployment(replicas=2), "metadata": {"name": "web", "uid": "1"}}
    assert apply(live, deployment(replicas=2), "alice")["spec"] == {"replicas": 2}
    with pytest.raises(ApiError, match=r'conflict with "before-first-apply" using apps/v1 at .*: \.spec\.replicas'):
        apply(live, deployment(replicas=3), "alice")


def test_whoever_changes_a_field_manages_it_from_then_on() -> None:
    live = apply(None, deployment(replicas=2, paused=True), "alice")
    scaled = updated(live, {**live, "spec": {"replicas": 5, "paused": True}}, "autoscaler", shape(live), now=NOW)
    assert managers(scaled) == {"alice": {"f:spec": {"f:paused": {}}}, "autoscaler": {"f:spec": {"f:replicas": {}}}}
    with pytest.raises(ApiError, match=r'conflict with "autoscaler" using apps/v1 at .*: \.spec\.replicas'):
        apply(scaled, deployment(replicas=2, paused=True), "alice")


def test_lists_of_custom_kinds_are_one_field_but_their_finalizers_are_a_set() -> None:
    def widget(finalizer: str, **spec: Any) -> Raw:
        metadata = {"name": "w", "finalizers": [finalizer]}
        return {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": metadata, "spec": spec}

    live = apply(None, widget("example.com/a", parts=[1, 2]), "alice")
    live = apply(live, widget("example.com/b", size=1), "bob")
    assert live["metadata"]["finalizers"] == ["example.com/a", "example.com/b"]
    with pytest.raises(ApiError, match=r"\.spec\.parts"):
        apply(live, widget("example.com/b", parts=[1]), "bob")


PATHS = st.frozensets(
    st.lists(st.sampled_from(["f:a", "f:b", 'k:{"name":"x"}', 'v:"y"']), min_size=1, max_size=3).map(tuple), max_size=6
)


@given(PATHS)
def test_a_set_of_fields_is_the_same_after_writing_and_reading_it(fields: fieldsets.FieldSet) -> None:
    assert fieldsets.decode(fieldsets.encode(fields)) == fields


# Against a model: a ConfigMap's data, some managers that apply and one that edits.

KEYS = st.dictionaries(st.sampled_from("xyz"), st.sampled_from("12"), max_size=3)
STEP = st.one_of(
    st.tuples(st.sampled_from(["alice", "bob", "carol"]), KEYS, st.booleans()),
    st.tuples(
        st.sampled_from(["edit", "script"]),
        st.dictionaries(st.sampled_from("xyz"), st.sampled_from(["1", "2", None]), max_size=3),
    ),
)
BEGINNINGS = st.sampled_from(["nothing", "untracked", "created"])


class Model:
    """Which managers each key has, by the words of the documentation."""

    def __init__(self) -> None:
        self.data: dict[str, str] = {}
        self.owners: dict[str, set[str]] = {}
        self.tracked = False

    def apply(self, manager: str, wanted: dict[str, str], force: bool) -> bool:
        """False for a conflict."""
        if not self.tracked:
            self.owners = {key: {"before-first-apply"} for key in self.data}
        others = {key: self.owners.get(key, set()) - {manager} for key in "xyz"}
        conflicts = [key for key in wanted if others[key] and self.data.get(key) != wanted[key]]
        if conflicts and not force:
            if not self.tracked:
                self.owners = {}
            return False
        self.tracked = True
        for key in conflicts:
            self.owners[key] = set()
        for key in list(self.data):
            if manager in self.owners.get(key, ()) and key not in wanted:
                self.owners[key].discard(manager)
                if not self.owners[key]:
                    del self.data[key]
        for key, value in wanted.items():
            self.data[key] = value
            self.owners.setdefault(key, set()).add(manager)
        return True

    def edit(self, manager: str, patch: dict[str, str | None]) -> None:
        for key, value in patch.items():
            if self.data.get(key) == value:
                continue
            self.owners[key] = {manager} if self.tracked and value is not None else set()
            if value is None:
                del self.data[key]
            else:
                self.data[key] = value


def test_an_empty_map_takes_nothing_from_anybody() -> None:
    def config(**data: str) -> Raw:
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "data": data}

    live = apply(apply(None, config(x="1"), "alice"), config(), "alice")
    assert not apply(live, config(), "bob").get("data")


def recorded(raw: Raw) -> dict[str, set[str]]:
    """key of data → its managers, as metadata.managedFields says."""
    found: dict[str, set[str]] = {}
    for entry in raw["metadata"].get("managedFields", ()):
        for key in entry["fieldsV1"].get("f:data", {}):
            if key != ".":
                found.setdefault(key[2:], set()).add(entry["manager"])
    return found


@settings(max_examples=120, deadline=None)
@given(BEGINNINGS, st.lists(STEP, max_size=12))
def test_any_sequence_of_applies_and_edits_does_what_the_model_says(beginning: str, steps: list[Any]) -> None:
    async def run(path: Path) -> None:
        api, model = start_api(Store.open(path)), Model()
        await LocalClient(api).create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        if beginning != "nothing":
            raw: Raw = {"metadata": {"name": "c", "namespace": "default"}, "data": {"x": "1"}}
            tracked = beginning == "created"
            raw["metadata"]["labels"] = {"maker": "was-here"}
            await api.create(kinds.CONFIGMAP, "default", raw, Write(manager="maker" if tracked else ""))
            model.data = {"x": "1"}
            model.owners, model.tracked = ({"x": {"maker"}} if tracked else {}), tracked
        for step in steps:
            there = api.store.get(("", "configmaps"), "default", "c") is not None
            if step[0] in ("edit", "script"):
                if there:
                    model.edit(step[0], step[1])
                    options = Write(manager=step[0])
                    await api.patch(kinds.CONFIGMAP, "default", "c", {"data": step[1]}, options=options)
            else:
                manager, wanted, force = step
                metadata = {"name": "c", "labels": {manager: "was-here"}}  # so that nobody manages nothing
                config = {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": wanted}
                try:
                    options = Write(manager=manager, force=force)
                    await api.apply(kinds.CONFIGMAP, "default", "c", config, options=options)
                    done = True
                except ApiError as error:
                    done = False if error.code == 409 else None
                assert model.apply(manager, wanted, force) is done
            found = api.store.get(("", "configmaps"), "default", "c")
            raw = found.object.raw if found else {"metadata": {}}
            assert (raw.get("data") or {}) == model.data
            assert recorded(raw) == {key: owners for key, owners in model.owners.items() if owners}
        api.store.close()

    with TemporaryDirectory() as folder:
        asyncio.run(run(Path(folder) / "store.db"))


def run(cluster: Cluster, test: Callable[[Api], Awaitable[None]]) -> None:
    async def inside() -> None:
        api = cluster.open()
        await LocalClient(api).create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
        await asyncio.wait_for(test(api), 60)

    asyncio.run(inside())


def test_an_apply_makes_the_object_and_then_changes_only_what_it_says(cluster: Cluster) -> None:
    async def test(api: Api) -> None:
        labels = {"app": "web"}
        config = deployment(
            selector={"matchLabels": labels},
            template={"metadata": {"labels": labels}, "spec": {"containers": [{"name": "c", "image": "nginx"}]}},
        )
        options = Write(manager="alice")
        made, new = await api.apply(kinds.DEPLOYMENT, "default", "web", config, options=options)
        assert new
        assert made.object.raw["spec"]["replicas"] == 1
        again, new = await api.apply(kinds.DEPLOYMENT, "default", "web", config, options=options)
        assert not new
        assert again.version == made.version
        await api.patch(kinds.DEPLOYMENT, "default", "web", {"status": {"replicas": 1}}, subresource="status")
        changed, _ = await api.apply(
            kinds.DEPLOYMENT, "default", "web", deployment(replicas=3, **config["spec"]), options=options
        )
        assert changed.object.raw["spec"]["replicas"] == 3
        assert changed.object.raw["status"]["replicas"] == 1
        assert changed.object.raw["metadata"]["generation"] == 2

    run(cluster, test)
