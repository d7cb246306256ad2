"""Defaulting: the values that the API fills in before it checks and stores an object.

Source: the field descriptions of the API reference, and SetDefaults_* of k8s.io/kubernetes/pkg/apis. Kinds of the
Gateway API say their defaults in their schema.
"""

from __future__ import annotations

from collections.abc import Mapping

from sealane.kube.kinds import Kind
from sealane.kube.kinds.table import definition
from sealane.kube.objects import Raw, without_nulls


def without_status(kind: Kind, raw: Raw) -> Raw:
    """A new object without the status that is not its client's.

    It is dropped before it is checked (PrepareForCreate): Go's typed clients send the zero status of their structs.
    One that is no structure cannot even be decoded, and stays to be refused.
    """
    if not isinstance(raw.get("status"), Mapping):
        return raw
    if "status" not in kind.subresources or definition(kind.group, kind.kind).birth is None:
        return raw
    return {key: value for key, value in raw.items() if key != "status"}


def defaulted(raw: Raw) -> Raw:
    """`raw` with every default its kind has, and without nulls. Does not change `raw`; a second time changes nothing.

    Values that a cluster allocates (addresses, node ports, uid, times) are no defaults.
    """
    raw = without_nulls(raw)
    rule = definition(raw.get("apiVersion", "").rpartition("/")[0], raw.get("kind", "")).defaults
    return rule(raw) if rule is not None else raw
