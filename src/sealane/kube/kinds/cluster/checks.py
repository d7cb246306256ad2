"""RuntimeClass and Lease.

Source: k8s.io/kubernetes/pkg/apis/node/validation and pkg/apis/coordination/validation
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_not_negative
from sealane.kube.problems import Part, Problem


def check_runtime_class(obj: Part) -> Iterator[Problem]:
    if isinstance(obj["handler"].value, str):
        yield from (obj["handler"].invalid(why) for why in names.dns_label(obj.text("handler")))


def check_lease(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    seconds = spec.number("leaseDurationSeconds")
    if seconds is not None and seconds <= 0:
        yield spec["leaseDurationSeconds"].invalid("must be greater than 0")
    yield from check_not_negative(spec, "leaseTransitions")
    if not spec["preferredHolder"].empty and spec["strategy"].empty:
        yield spec["preferredHolder"].forbidden("may only be specified if `strategy` is defined")
