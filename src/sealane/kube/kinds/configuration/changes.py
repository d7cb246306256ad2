"""ConfigMaps and Secrets that do not change any more.

Source: https://kubernetes.io/docs/concepts/configuration/secret/#secret-immutable
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem


def check_data_change(obj: Part, old: Raw) -> Iterator[Problem]:
    if not old.get("immutable"):
        return
    for field in ("data", "binaryData", "immutable"):
        if obj[field].value != old.get(field):
            yield obj[field].forbidden("field is immutable when `immutable` is set")
