"""What `up` says of pods in which something else runs than their manifests ask for."""

from __future__ import annotations

from typing import Any

from sealane.cli.answered import SHOWN, notes
from sealane.kube.objects import Object


def event(reason: str, name: str, message: str, *, at: str = "2026-01-02T00:00:00Z", kind: str = "Pod") -> Object:
    about: dict[str, Any] = {"kind": kind, "name": name, **({"namespace": "x"} if kind == "Pod" else {})}
    raw = {"kind": "Event", "metadata": {"name": name}, "reason": reason, "message": message, "lastTimestamp": at}
    return Object({**raw, "involvedObject": about})


def test_what_was_said_since_then_is_said_once_for_all_replicas() -> None:
    found = [
        event("TakenAsDone", "a-1", "Container init: init container init is taken as done: because"),
        event("TakenAsDone", "a-2", "Container init: init container init is taken as done: because"),
        event("Answered", "a-1", "Container c: image c is answered by the echo stand-in on 80/TCP"),
        event("PassedOver", "judge", 'webhook "j" of judge is passed over: why', kind="ValidatingWebhookConfiguration"),
        event("StartedWithout", "old", "Container c: secret", at="2026-01-01T00:00:00Z"),
    ]
    assert notes(found, 1767312000.5) == [
        "  x/a-1 (and 1 more): init container init is taken as done: because",
        '  judge: webhook "j" of judge is passed over: why',
    ]


def test_a_long_list_is_cut() -> None:
    found = [event("TakenAsDone", f"a-{number}", f"Container c: {number}") for number in range(SHOWN + 3)]
    lines = notes(found, 0.0)
    assert (len(lines), lines[-1]) == (SHOWN + 1, "  … and 3 more: kubectl get events -A")
