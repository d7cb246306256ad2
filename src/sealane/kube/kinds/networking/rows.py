"""The definitions of NetworkPolicy, Ingress and IngressClass."""

from __future__ import annotations

from sealane.kube.kinds import INGRESS, INGRESSCLASS, NETWORKPOLICY
from sealane.kube.kinds.definition import Definition
from sealane.kube.kinds.networking import checks, columns, defaults

ROWS = (
    Definition(
        kind=NETWORKPOLICY,
        defaults=defaults.network_policy,
        checks=checks.check_network_policy,
        generation=True,
        columns=columns.NETWORK_POLICY,
    ),
    Definition(
        kind=INGRESS,
        checks=checks.check_ingress,
        birth=lambda _ingress, _now: {"loadBalancer": {}},
        generation=True,
        columns=columns.INGRESS,
    ),
    Definition(
        kind=INGRESSCLASS,
        defaults=defaults.ingress_class,
        checks=checks.check_ingress_class,
        fixed=(("spec", "controller"),),
        generation=True,
        columns=columns.INGRESS_CLASS,
    ),
)
