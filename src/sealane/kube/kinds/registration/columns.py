"""What `kubectl get apiservices` shows.

Source: the additional printer columns of k8s.io/kube-aggregator/pkg/registry/apiservice/etcd
"""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, shown, spec_of, status_of
from sealane.kube.objects import Raw


def _service(raw: Raw) -> str:
    service = spec_of(raw).get("service")
    return f"{service.get('namespace')}/{service.get('name')}" if service else "Local"


def _available(raw: Raw) -> str:
    for each in status_of(raw).get("conditions") or ():
        if each.get("type") == "Available":
            return "True" if each.get("status") == "True" else f"{each.get('status')} ({each.get('reason')})"
    return "Unknown"


API_SERVICE = (NAME, shown("Service", _service), shown("Available", _available), AGE)
