"""Claims of devices, their classes and what drivers offer.

Source: k8s.io/kubernetes/pkg/apis/resource/validation
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_text, check_unique
from sealane.kube.checks.metadata import check_annotations, check_labels
from sealane.kube.problems import Part, Problem

_MODES = ("All", "ExactCount")
_REQUESTS = 32
_NODES = ("nodeName", "nodeSelector", "allNodes", "perDeviceNodeSelection")
_ONE_NODE = f"exactly one of {', '.join(f'`{field}`' for field in _NODES)} is required"
_ONE_SORT = "exactly one of `exactly` or `firstAvailable` is required"


def check_claim(obj: Part) -> Iterator[Problem]:
    yield from _check_devices(obj["spec"]["devices"])


def check_claim_template(obj: Part) -> Iterator[Problem]:
    template = obj["spec"]
    yield from check_labels(template["metadata"]["labels"])
    yield from check_annotations(template["metadata"]["annotations"])
    yield from _check_devices(template["spec"]["devices"])


def _check_devices(devices: Part) -> Iterator[Problem]:
    requests = devices.each("requests")
    if len(requests) > _REQUESTS:
        message = f"Too many: {len(requests)}: must have at most {_REQUESTS} items"
        yield Problem(devices["requests"].path, message, "FieldValueTooMany")
    yield from check_unique(requests, "name")
    for request in requests:
        yield from check_text(request["name"], names.dns_label)
        exactly, choices = request["exactly"], request.each("firstAvailable")
        if exactly.present and choices:
            yield request.invalid(f"{_ONE_SORT}, but multiple fields are set")
        elif exactly.present:
            yield from _check_request(exactly)
        elif choices:
            for choice in choices:
                yield from check_text(choice["name"], names.dns_label)
                yield from _check_request(choice)
        else:
            yield request.required(_ONE_SORT)


def _check_request(request: Part) -> Iterator[Problem]:
    if request["deviceClassName"].empty:
        yield request["deviceClassName"].required()
    yield from check_text(request["deviceClassName"], names.dns_subdomain)
    mode, count = request.text("allocationMode"), request.number("count")
    if mode not in _MODES:
        yield request["allocationMode"].not_supported(_MODES)
    elif mode == "All" and count:
        yield request["count"].invalid("must not be specified when allocationMode is 'All'")
    elif mode == "ExactCount" and count is not None and count <= 0:
        yield request["count"].invalid("must be greater than zero")


def check_slice(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    if spec["driver"].value == "":
        yield spec["driver"].required()
    yield from check_text(spec["driver"], names.dns_subdomain)
    given = [field for field in _NODES if not spec[field].empty and spec[field].value is not False]
    if not given:
        yield spec.required(_ONE_NODE)
    elif len(given) > 1:
        yield spec.invalid(f"{_ONE_NODE}, but multiple fields are set")
    pool = spec["pool"]
    if pool["name"].value == "":
        yield pool["name"].required()
    count = pool.number("resourceSliceCount")
    if count is not None and count <= 0:
        yield pool["resourceSliceCount"].invalid("must be greater than zero")
    yield from check_unique(spec.each("devices"), "name")
    for device in spec.each("devices"):
        yield from check_text(device["name"], names.dns_label)
