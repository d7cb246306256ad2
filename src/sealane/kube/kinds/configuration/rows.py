"""The definitions of ConfigMap and Secret."""

from __future__ import annotations

from sealane.kube.kinds import CONFIGMAP, SECRET
from sealane.kube.kinds.configuration import changes, checks, columns, defaults
from sealane.kube.kinds.definition import Definition, Usage, fields

ROWS = (
    Definition(
        kind=CONFIGMAP,
        checks=checks.check_config_map,
        changes={"": changes.check_data_change},
        columns=columns.CONFIG_MAP,
        usage=Usage("configmaps"),
    ),
    Definition(
        kind=SECRET,
        defaults=defaults.secret,
        checks=checks.check_secret,
        fixed=(("type",),),
        changes={"": changes.check_data_change},
        columns=columns.SECRET,
        selectable=fields("type"),
        usage=Usage("secrets"),
    ),
)
