"""`kubernetes`: which names of the cluster are answered, and how. Source: https://coredns.io/plugins/kubernetes/."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step
from sealane.kube.selectors import LabelSelector
from sealane.network.names.records import TTL

OPTIONS = (
    "endpoint",
    "tls",
    "kubeconfig",
    "namespaces",
    "labels",
    "pods",
    "endpoint_pod_names",
    "ttl",
    "noendpoints",
    "fallthrough",
    "ignore",
    "transfer",
    "upstream",
    "resyncperiod",
    "namespace_labels",
    "apiserver_qps",
    "apiserver_burst",
    "apiserver_max_inflight",
    "startup_timeout",
    "multicluster",
)
PODS = ("disabled", "insecure", "verified")
_UNSERVED = ("endpoint", "tls", "kubeconfig", "multicluster")


@dataclass(frozen=True, slots=True)
class Kubernetes:
    """zones: the first that is no reverse zone is the cluster's domain. namespaces: None for all. ttl: seconds.

    labels, namespace_labels: of the Services, and of the namespaces whose Services, have names; None for all.
    empty: whether a ClusterIP Service without a ready endpoint has a name.
    fallthrough: zones in which a name that does not exist is asked of the next plugin.
    """

    zones: tuple[str, ...]
    pods: str = "disabled"
    ttl: int = TTL
    namespaces: frozenset[str] | None = None
    labels: LabelSelector | None = None
    namespace_labels: LabelSelector | None = None
    empty: bool = True
    endpoints: bool = True
    pod_names: bool = False
    fallthrough: tuple[str, ...] = ()

    @property
    def domain(self) -> str:
        return next(zone for zone in self.zones if not _reverse(zone))


def read(directive: Directive, zones: Sequence[str]) -> Kubernetes:
    """zones: those of the server block, for a directive without. Raises CorefileError."""
    asked = step.zones(directive, directive.args, zones)
    if all(_reverse(zone) for zone in asked):
        raise directive.error("kubernetes needs a zone that is no reverse zone, like cluster.local")
    values: dict[str, object] = {}
    for option in directive.block:
        match option.name:
            case "pods":
                (mode,) = step.only(option, 1)
                if mode not in PODS:
                    raise option.unknown("mode of pods", mode, PODS)
                values["pods"] = mode
            case "ttl":
                ttl = step.integer(option, step.only(option, 1)[0])
                if ttl > 3600:
                    raise option.error("ttl must be in range [0, 3600]")
                values["ttl"] = ttl
            case "namespaces":
                if not option.args:
                    raise option.error("namespaces takes at least one name")
                values["namespaces"] = frozenset(option.args)
            case "labels" | "namespace_labels":
                try:
                    values[option.name] = LabelSelector.parse(" ".join(option.args))
                except ValueError as error:
                    raise option.error(f"{option.name}: {error}") from None
            case "ignore":
                if option.args != ("empty_service",):
                    raise option.error("ignore takes empty_service, and nothing else")
                values["empty"] = False
            case "noendpoints":
                step.only(option, 0)
                values["endpoints"] = False
            case "endpoint_pod_names":
                step.only(option, 0)
                values["pod_names"] = True
            case "fallthrough":
                values["fallthrough"] = step.fallthrough(option)
            case name if name in _UNSERVED:
                raise option.error(f"kubernetes: {name} is not served here: the names are those of this cluster")
            case name if name not in OPTIONS:
                raise option.unknown("option of kubernetes", name, OPTIONS)
    if values.get("namespaces") is not None and values.get("namespace_labels") is not None:
        raise directive.error("namespaces and namespace_labels cannot both be set")
    return Kubernetes(asked, **values)  # type: ignore[arg-type]


def _reverse(zone: str) -> bool:
    return step.covered(("in-addr.arpa", "ip6.arpa"), zone)
