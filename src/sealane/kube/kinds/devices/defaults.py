"""Defaults of claims of devices.

Source: k8s.io/kubernetes/pkg/apis/resource/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import each, filled, inside
from sealane.kube.objects import Raw


def claim(raw: Raw) -> Raw:
    return inside(raw, "spec", _spec)


def claim_template(raw: Raw) -> Raw:
    return inside(raw, "spec", lambda spec: inside(spec, "spec", _spec))


def _spec(spec: Raw) -> Raw:
    return inside(spec, "devices", lambda devices: each(devices, "requests", _request))


def _request(request: Raw) -> Raw:
    return each(inside(request, "exactly", _asked), "firstAvailable", _asked)


def _asked(asked: Raw) -> Raw:
    asked = filled(asked, {"allocationMode": "ExactCount"})
    if asked["allocationMode"] == "ExactCount":
        asked = filled(asked, {"count": 1})
    return each(asked, "tolerations", lambda toleration: filled(toleration, {"operator": "Equal"}))
