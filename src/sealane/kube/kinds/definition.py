"""Definition: all that makes one kind different from others, as a value. The engines of the API read it.

The model is the strategy of k8s.io/apiserver/pkg/registry/generic/registry (Store and rest/{create,update,delete}.go).
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

from msgspec import Struct

from sealane.kube import names
from sealane.kube.kinds import Kind
from sealane.kube.kinds.column import PLAIN, Column
from sealane.kube.names import Check
from sealane.kube.objects import Raw
from sealane.kube.problems import FieldPath, Part, Problem

Rule = Callable[[Part], Iterator[Problem]]
Change = Callable[[Part, Raw], Iterator[Problem]]
"""What is wrong with a new state (the first argument) because of the old one."""
Path = tuple[str, ...]


class Field(Struct, frozen=True):
    """A field that can be selected on.

    paths: where it is in an object as it is stored; the first that is there counts. absent: its value where none is.
    """

    paths: tuple[Path, ...]
    absent: str = ""

    def of(self, raw: Mapping[str, Any]) -> str:
        for path in self.paths:
            value: Any = raw
            for part in path:
                value = value.get(part) if isinstance(value, Mapping) else None
            if value is not None and value != "":
                return ("true" if value else "false") if isinstance(value, bool) else str(value)
        return self.absent


def fields(*names: str, absent: str = "") -> Mapping[str, Field]:
    """Fields that are where their names say. absent: the value of each where there is none."""
    return {name: Field((tuple(name.split(".")),), absent) for name in names}


class Usage(Struct, frozen=True):
    """The amounts of a ResourceQuota that the objects of a kind use, besides count/PLURAL.GROUP.

    name: what a quota calls their number. amounts: the amounts that one object uses, in thousandths by the name that a
    quota has for it; None: that number only. owns(name): whether it is objects of this kind that use `name`.
    """

    name: str
    amounts: Callable[[Raw], Mapping[str, int]] | None = None
    owns: Callable[[str], bool] = lambda _name: False


def no_status(_raw: Raw, _now: str) -> Raw | None:
    return None


def unchanged(new: Raw, _old: Raw) -> Raw:
    return new


def at_once(_raw: Raw, _asked: int | None) -> int:
    return 0


class Definition(Struct, frozen=True, kw_only=True):
    """One kind, in all its versions.

    What a new object is:
    names: what is wrong with a name (metadata.name). defaults: an object with what it leaves out, in any version;
    a second time changes nothing. finalizers: what every new object has. checks: what is wrong with an object, besides
    what its schema says. required_once: fields of the schema that only new objects have to have.
    birth(object, now): the status that it begins with, whatever its client wrote; None for none. birth None: the status
    is what the client wrote.

    What becomes of it:
    carried(new, old): an update with what it takes over from the old state, before defaults. fixed: fields that stay as
    they are once they have a value. changes: what else may not change, by the subresource that is written, "" for the
    object itself. rechecks: takes the place of `checks` for an update. generation: metadata.generation counts its
    states. made_by_update: PUT makes what is not there (AllowCreateOnUpdate). conditional: PUT needs a resourceVersion
    (not AllowUnconditionalUpdate).

    How it goes:
    undeletable: names of objects that stay. grace(object, asked seconds or None): seconds between a deletion and its
    end. ending(object): what a deletion changes in it. spec_finalizers: spec.finalizers hold it as well.
    shown_when_deleted: the answer to DELETE is its last state, where others get a Status (ReturnDeletedObject).

    How it is seen:
    columns: of `kubectl get`. selectable: fields to select on, besides those of the metadata. usage: what it counts
    for in quotas, besides count/PLURAL.GROUP. plain_selector: spec.selector is a map of labels.
    """

    kind: Kind
    names: Check = names.dns_subdomain
    defaults: Callable[[Raw], Raw] | None = None
    finalizers: tuple[str, ...] = ()
    checks: Rule | None = None
    required_once: frozenset[FieldPath] = frozenset()
    birth: Callable[[Raw, str], Raw | None] | None = no_status
    carried: Callable[[Raw, Raw], Raw] = unchanged
    fixed: tuple[Path, ...] = ()
    changes: Mapping[str, Change] = {}
    rechecks: Change | None = None
    generation: bool = False
    made_by_update: bool = False
    conditional: bool = False
    undeletable: frozenset[str] = frozenset()
    grace: Callable[[Raw, int | None], int] = at_once
    ending: Callable[[Raw], Raw] | None = None
    spec_finalizers: bool = False
    shown_when_deleted: bool = False
    columns: tuple[Column, ...] = PLAIN
    selectable: Mapping[str, Field] = {}
    usage: Usage | None = None
    plain_selector: bool = False


CUSTOM = Definition(kind=Kind("", "", "", ""), generation=True, conditional=True)
"""What all kinds of CustomResourceDefinitions are alike in."""
