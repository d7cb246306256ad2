"""The definitions of what makes pods and keeps them running, in apps/v1 and core/v1."""

from __future__ import annotations

from sealane.kube.kinds import (
    CONTROLLERREVISION,
    DAEMONSET,
    DEPLOYMENT,
    PODTEMPLATE,
    REPLICASET,
    REPLICATIONCONTROLLER,
    STATEFULSET,
)
from sealane.kube.kinds.definition import Definition, Usage, fields
from sealane.kube.kinds.workloads import changes, checks, columns, defaults
from sealane.kube.objects import Raw

_SELECTOR = (("spec", "selector"),)


def _no_replicas(_raw: Raw, _now: str) -> Raw:
    return {"replicas": 0}


ROWS = (
    Definition(
        kind=PODTEMPLATE,
        defaults=defaults.template,
        checks=checks.check_pod_template,
        generation=True,
        columns=columns.POD_TEMPLATE,
    ),
    Definition(
        kind=DEPLOYMENT,
        defaults=defaults.deployment,
        checks=checks.check_workload,
        birth=lambda _deployment, _now: {},
        fixed=_SELECTOR,
        generation=True,
        columns=columns.DEPLOYMENT,
    ),
    Definition(
        kind=REPLICASET,
        defaults=defaults.replica_set,
        checks=checks.check_workload,
        birth=_no_replicas,
        fixed=_SELECTOR,
        generation=True,
        columns=columns.REPLICA_SET,
        selectable=fields("status.replicas", absent="0"),
    ),
    Definition(
        kind=REPLICATIONCONTROLLER,
        defaults=defaults.replication_controller,
        checks=checks.check_replication_controller,
        columns=columns.REPLICATION_CONTROLLER,
        selectable=fields("status.replicas", absent="0"),
        usage=Usage("replicationcontrollers"),
        plain_selector=True,
    ),
    Definition(
        kind=STATEFULSET,
        defaults=defaults.stateful_set,
        checks=checks.check_workload,
        birth=_no_replicas,
        changes={"": changes.check_stateful_set_change},
        generation=True,
        columns=columns.STATEFUL_SET,
    ),
    Definition(
        kind=DAEMONSET,
        defaults=defaults.daemon_set,
        checks=checks.check_workload,
        birth=_no_replicas,
        fixed=_SELECTOR,
        generation=True,
        columns=columns.DAEMON_SET,
    ),
    Definition(kind=CONTROLLERREVISION, columns=columns.CONTROLLER_REVISION),
)
