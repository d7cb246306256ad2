"""The definitions of Namespace, Node, Lease and RuntimeClass."""

from __future__ import annotations

from sealane.kube import names
from sealane.kube.kinds import LEASE, NAMESPACE, NODE, RUNTIMECLASS
from sealane.kube.kinds.cluster import changes, checks, columns, defaults
from sealane.kube.kinds.definition import Definition, fields

ROWS = (
    Definition(
        kind=NAMESPACE,
        names=names.dns_label,
        defaults=defaults.namespace,
        birth=lambda _namespace, _now: {"phase": "Active"},
        carried=changes.with_old_spec,
        undeletable=changes.UNDELETABLE,
        ending=changes.terminating,
        spec_finalizers=True,
        columns=columns.NAMESPACE,
        selectable=fields("status.phase"),
    ),
    Definition(
        kind=NODE,
        birth=None,  # the client that makes a Node sends its status: a kubelet does so in one step
        columns=columns.NODE,
        selectable=fields("spec.unschedulable", absent="false"),
    ),
    Definition(kind=LEASE, checks=checks.check_lease, made_by_update=True, conditional=True, columns=columns.LEASE),
    Definition(kind=RUNTIMECLASS, checks=checks.check_runtime_class, fixed=(("handler",),)),
)
