"""Defaults of APIServices.

Source: k8s.io/kube-aggregator/pkg/apis/apiregistration/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import filled, inside
from sealane.kube.objects import Raw


def api_service(raw: Raw) -> Raw:
    return inside(raw, "spec", lambda spec: inside(spec, "service", lambda service: filled(service, {"port": 443})))
