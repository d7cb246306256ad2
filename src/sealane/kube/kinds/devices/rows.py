"""The definitions of resource.k8s.io."""

from __future__ import annotations

from sealane.kube import kinds
from sealane.kube.kinds.definition import Definition, fields
from sealane.kube.kinds.devices import checks, columns, defaults

ROWS = (
    Definition(
        kind=kinds.RESOURCECLAIM,
        defaults=defaults.claim,
        checks=checks.check_claim,
        fixed=(("spec",),),
        columns=columns.CLAIM,
    ),
    Definition(
        kind=kinds.RESOURCECLAIMTEMPLATE,
        defaults=defaults.claim_template,
        checks=checks.check_claim_template,
        fixed=(("spec",),),
    ),
    Definition(kind=kinds.DEVICECLASS, generation=True),
    Definition(
        kind=kinds.RESOURCESLICE,
        checks=checks.check_slice,
        fixed=(("spec", "nodeName"), ("spec", "driver"), ("spec", "pool", "name")),
        generation=True,
        columns=columns.SLICE,
        selectable=fields("spec.nodeName", "spec.driver"),
    ),
)
