"""An Ingress as the routing model has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sealane.kube.objects import Key
from sealane.network.routes.ingress.classes import Served
from sealane.network.routes.ingress.nginx.settings import Settings
from sealane.network.routes.model.http import HostKey, Rule
from sealane.network.routes.model.tls import CertificateRef


@dataclass(frozen=True, slots=True)
class BoundIngress:
    """An Ingress of a class that is served here.

    rules: by virtual host. default: its default backend as a rule that matches everything, also for hosts of others.
    certificates: of its hosts that have TLS. problems: what is to be said about it.

    Of the class of ingress-nginx: settings, what its annotations say. last: what comes after all rules of its hosts,
    also those of other Ingresses. aliases: those of its hosts that are no host of its rules. redirected: those that
    are redirected, and where.
    """

    key: Key
    served: Served
    created: str
    rules: Mapping[HostKey, tuple[Rule, ...]]
    default: Rule | None = None
    certificates: Mapping[str, CertificateRef] = field(default_factory=dict)
    problems: tuple[str, ...] = ()
    settings: Settings | None = None
    last: Rule | None = None
    aliases: frozenset[str] = frozenset()
    redirected: Mapping[str, str] = field(default_factory=dict)

    @property
    def remarks(self) -> tuple[str, ...]:
        """What is to be said about its annotations."""
        return self.settings.remarks if self.settings is not None else ()
