"""Completion indexes of a Job as its status writes them: "1,3-5,7". Pure.

Source: status.completedIndexes of Job in the API reference.
"""

from __future__ import annotations

from collections.abc import Iterable

from sealane.kube.objects import Object

COMPLETION_INDEX = "batch.kubernetes.io/job-completion-index"


def parse(text: str | None) -> frozenset[int]:
    """ "1,3-5" → {1, 3, 4, 5}; what is no number is passed over."""
    found: set[int] = set()
    for part in (text or "").split(","):
        first, _, last = part.partition("-")
        if first.isdecimal():
            found.update(range(int(first), int(last if last.isdecimal() else first) + 1))
    return frozenset(found)


def text_of(indexes: Iterable[int]) -> str:
    """{1, 3, 4, 5} → "1,3-5"."""
    runs: list[list[int]] = []
    for index in sorted(indexes):
        if runs and runs[-1][1] == index - 1:
            runs[-1][1] = index
        else:
            runs.append([index, index])
    return ",".join(str(first) if first == last else f"{first}-{last}" for first, last in runs)


def index_of(pod: Object) -> int | None:
    """The completion index of a pod of an Indexed Job."""
    text = pod.annotations.get(COMPLETION_INDEX) or ""
    return int(text) if text.isdecimal() else None
