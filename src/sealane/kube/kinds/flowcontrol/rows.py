"""The definitions of API Priority and Fairness."""

from __future__ import annotations

from sealane.kube.kinds import FLOWSCHEMA, PRIORITYLEVEL
from sealane.kube.kinds.definition import Definition
from sealane.kube.kinds.flowcontrol import checks, columns, defaults

ROWS = (
    Definition(
        kind=PRIORITYLEVEL,
        defaults=defaults.priority_level,
        checks=checks.check_priority_level,
        generation=True,
        columns=columns.PRIORITY_LEVEL,
    ),
    Definition(
        kind=FLOWSCHEMA,
        defaults=defaults.flow_schema,
        checks=checks.check_flow_schema,
        generation=True,
        columns=columns.FLOW_SCHEMA,
    ),
)
