"""Random applies and updates of structured objects by several managers, against a plain model of who has what.

The kind has one of each that structured-merge-diff tells apart: a field, a map, a set, a list by keys, an atomic list
and an atomic map. The model knows an object only as places with values, and for each place its managers.
"""

from __future__ import annotations

from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from sealane.apiserver.objects import fieldsets
from sealane.apiserver.objects.apply import applied
from sealane.apiserver.objects.ownership import entries_of, updated
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

SCHEMA = {
    "type": "object",
    "properties": {
        "spec": {
            "type": "object",
            "properties": {
                "size": {"type": "integer"},
                "labels": {"type": "object", "additionalProperties": {"type": "string"}},
                "tags": {"type": "array", "x-kubernetes-list-type": "set", "items": {"type": "string"}},
                "ports": {
                    "type": "array",
                    "x-kubernetes-list-type": "map",
                    "x-kubernetes-list-map-keys": ["port", "protocol"],
                    "items": {
                        "type": "object",
                        "properties": {
                            "port": {"type": "integer"},
                            "protocol": {"type": "string", "default": "TCP"},
                            "name": {"type": "string"},
                        },
                    },
                },
                "steps": {"type": "array", "items": {"type": "string"}},
                "ref": {
                    "type": "object",
                    "x-kubernetes-map-type": "atomic",
                    "properties": {"name": {"type": "string"}},
                },
            },
        }
    },
}
SHAPE = fieldsets.structural(SCHEMA, root=True)
Place = tuple[Any, ...]
Places = dict[Place, Any]

PORT = st.fixed_dictionaries({"port": st.sampled_from([80, 443])}, optional={"name": st.sampled_from("ab")})
SPEC = st.fixed_dictionaries(
    {},
    optional={
        "size": st.integers(1, 2),
        "labels": st.dictionaries(st.sampled_from("xy"), st.sampled_from("12"), min_size=1),
        "tags": st.lists(st.sampled_from("pqr"), unique=True, min_size=1),
        "ports": st.lists(PORT, min_size=1, unique_by=lambda each: each["port"]),
        "steps": st.lists(st.sampled_from("st"), min_size=1, max_size=2),
        "ref": st.fixed_dictionaries({"name": st.sampled_from("nm")}),
    },
).filter(bool)
STEP = st.tuples(st.sampled_from(["alice", "bob", "carol", "put"]), SPEC, st.booleans())


def places(spec: Raw) -> Places:
    found: Places = {}
    for field, value in spec.items():
        if field == "labels":
            found |= {("labels", key): each for key, each in value.items()}
        elif field == "tags":
            found |= {("tags", each): each for each in value}
        elif field == "ports":
            for each in value:
                found[("ports", each["port"])] = None
                found |= {("ports", each["port"], key): part for key, part in each.items()}
        else:
            found[(field,)] = value
    return found


def place(path: fieldsets.Path) -> Place:
    """The model's name of a path of FieldsV1."""
    assert path[0] == "f:spec"
    _, field, *rest = path
    if not rest:
        return (field[2:],)
    key = rest[0]
    if field == "f:ports":
        assert '"protocol":"TCP"' in key
        port = 443 if "443" in key else 80
        return ("ports", port, *(part[2:] for part in rest[1:]))
    return (field[2:], key[2:].strip('"'))


class Model:
    def __init__(self) -> None:
        self.values: Places = {}
        self.owners: dict[Place, set[str]] = {}
        self.last: dict[str, set[Place]] = {}

    def apply(self, manager: str, wanted: Places, force: bool) -> bool:
        """False for a conflict."""
        conflicts = {
            each
            for each, value in wanted.items()
            if self.owners.get(each, set()) - {manager} and self.values.get(each, value) != value
        }
        if conflicts and not force:
            return False
        for each in conflicts:
            self.owners[each] -= self.owners[each] - {manager}
        mine = {each for each, owners in self.owners.items() if manager in owners}
        for each in mine - wanted.keys():
            self.owners[each].discard(manager)
        for each, value in wanted.items():
            self.values[each] = value
            self.owners.setdefault(each, set()).add(manager)
        for each in mine - wanted.keys():
            if not self.owners.get(each):  # nobody else has it: it goes, an element with all that is in it
                for other in [other for other in self.values if other[: len(each)] == each]:
                    del self.values[other]
                    self.owners.pop(other, None)
        return True

    def put(self, wanted: Places) -> None:
        for each in list(self.values):
            if each not in wanted:
                del self.values[each]
                self.owners.pop(each, None)
        for each, value in wanted.items():
            if each not in self.values or self.values[each] != value:
                self.values[each] = value
                self.owners[each] = {"put"}


def managers(raw: Raw) -> dict[Place, set[str]]:
    found: dict[Place, set[str]] = {}
    for entry in entries_of(raw):
        for path in entry.fields:
            found.setdefault(place(path), set()).add(entry.manager)
    return found


@settings(max_examples=150, deadline=None)
@given(st.lists(STEP, min_size=1, max_size=10))
def test_applies_and_updates_do_what_the_model_says(steps: list[tuple[str, Raw, bool]]) -> None:
    model = Model()
    live: Raw | None = None
    for number, (manager, spec, force) in enumerate(steps):
        now = f"2026-01-01T00:00:{number:02}Z"
        config: Raw = {"apiVersion": "example.com/v1", "kind": "Widget", "metadata": {"name": "w"}, "spec": spec}
        if manager == "put":
            if live is None or not entries_of(live):
                continue
            spec = (
                {**spec, "ports": [{"protocol": "TCP", **each} for each in spec["ports"]]} if "ports" in spec else spec
            )
            new = {**config, "spec": spec, "metadata": live["metadata"]}
            live = updated(live, new, "put", SHAPE, now=now)
            model.put(places(spec))
        else:
            if live is not None and not entries_of(live):
                live = None  # nobody has anything: as before the first apply
                model = Model()
            try:
                live = applied(live, config, manager, SHAPE, force=force, now=now)
                done: bool | None = True
            except ApiError as error:
                done = False if error.code == 409 else None
            assert model.apply(manager, places(spec), force) is done
        if live is not None:
            assert places(live.get("spec") or {}) == model.values
            assert managers(live) == {each: owners for each, owners in model.owners.items() if owners}
