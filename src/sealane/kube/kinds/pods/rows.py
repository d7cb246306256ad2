"""The definition of Pod."""

from __future__ import annotations

from sealane.kube.kinds import POD
from sealane.kube.kinds.definition import Definition, Field, Usage, fields
from sealane.kube.kinds.pods import changes, checks, columns, defaults
from sealane.kube.kinds.pods.status import pending
from sealane.kube.kinds.pods.usage import BARE, usage


def _asks_for(name: str) -> bool:
    return name in BARE or name.startswith(("requests.", "limits.", "hugepages-"))


ROWS = (
    Definition(
        kind=POD,
        defaults=defaults.pod,
        checks=checks.check_pod,
        birth=pending,
        changes={"": changes.check_pod_change, "ephemeralcontainers": changes.check_ephemeral_containers},
        generation=True,
        grace=changes.grace,
        shown_when_deleted=True,
        columns=columns.POD,
        selectable={
            **fields("spec.nodeName", "spec.restartPolicy", "spec.schedulerName", "spec.serviceAccountName"),
            **fields("status.phase", "status.podIP", "status.nominatedNodeName"),
            **fields("spec.hostNetwork", absent="false"),
            "status.podIPs": Field((("status", "podIP"),)),
        },
        usage=Usage("pods", usage, _asks_for),
    ),
)
