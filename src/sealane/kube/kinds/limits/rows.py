"""The definitions of what bounds and ranks pods: quotas, limits, priorities, disruption, scaling."""

from __future__ import annotations

from sealane.kube import kinds
from sealane.kube.kinds.definition import Definition, Usage
from sealane.kube.kinds.limits import changes, checks, columns, defaults

ROWS = (
    Definition(kind=kinds.LIMITRANGE, checks=checks.check_limit_range),
    Definition(
        kind=kinds.RESOURCEQUOTA,
        checks=checks.check_resource_quota,
        shown_when_deleted=True,
        usage=Usage("resourcequotas"),
    ),
    Definition(
        kind=kinds.PRIORITYCLASS, checks=checks.check_priority_class, changes={"": changes.check_priority_class_change}
    ),
    Definition(
        kind=kinds.PODDISRUPTIONBUDGET,
        checks=checks.check_disruption_budget,
        generation=True,
        conditional=True,
        columns=columns.DISRUPTION_BUDGET,
    ),
    Definition(
        kind=kinds.HORIZONTALPODAUTOSCALER,
        defaults=defaults.autoscaler,
        checks=checks.check_autoscaler,
        columns=columns.AUTOSCALER,
    ),
)
