"""Pod → what its programs would write: Secrets, and the CA in webhook configurations. Pure.

Each row of MAKERS is one program and names where its behaviour is written down.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import msgspec

from sealane.kube.objects import Object, Raw
from sealane.network.standins import short_name

_FLAG = re.compile(r"--?([A-Za-z][\w.\-]*)(?:=(.*))?", re.DOTALL)
_VARIABLE = re.compile(r"\$\((\w+)\)")


class Certificate(msgspec.Struct, frozen=True):
    """A certificate for `names`, signed by the cluster's CA; and which keys of the Secret hold it, its key, the CA."""

    names: tuple[str, ...]
    certificate: str = "tls.crt"
    key: str = "tls.key"
    ca: str = "ca.crt"


class WantedSecret(msgspec.Struct, frozen=True):
    """random: keys that hold that many random bytes, in base64. A key that the Secret has is left as it is."""

    namespace: str
    name: str
    certificate: Certificate | None = None
    random: Mapping[str, int] = msgspec.field(default_factory=dict)


class WantedBundle(msgspec.Struct, frozen=True):
    """The CA of webhook configurations called `name`. policy: their failurePolicy, "" to leave it."""

    name: str
    mutating: bool
    validating: bool
    policy: str = ""


Wanted = WantedSecret | WantedBundle


class Program(msgspec.Struct, frozen=True):
    """A container as its program would see itself. words: command and arguments, variables filled in."""

    image: str
    namespace: str
    words: tuple[str, ...]
    variables: Mapping[str, str]

    def flags(self) -> dict[str, str]:
        """ "--a=b", "--a b" → {"a": "b"}; a flag without a value is "true"."""
        found: dict[str, str] = {}
        for position, word in enumerate(self.words):
            if match := _FLAG.fullmatch(word):
                after = self.words[position + 1 : position + 2]
                following = after[0] if after and not after[0].startswith("-") else "true"
                found[match[1]] = following if match[2] is None else match[2]
        return found


def programs(pod: Object) -> Iterator[Program]:
    for raw in _containers(pod):
        variables = _variables(raw, pod)
        words = (*(raw.get("command") or ()), *(raw.get("args") or ()))
        expanded = tuple(_expanded(str(word), variables) for word in words)
        yield Program(short_name(raw.get("image") or ""), pod.namespace, expanded, variables)


def _containers(pod: Object) -> list[Raw]:
    return [*(pod.spec.get("initContainers") or ()), *(pod.spec.get("containers") or ())]


def _expanded(word: str, variables: Mapping[str, str]) -> str:
    return _VARIABLE.sub(lambda match: variables.get(match[1], match[0]), word)


def _variables(raw: Raw, pod: Object) -> dict[str, str]:
    """Literal ones, and those of the pod's own name and namespace."""
    fields = {"metadata.namespace": pod.namespace, "metadata.name": pod.name}
    found: dict[str, str] = {}
    for each in raw.get("env") or ():
        source: Mapping[str, Any] = (each.get("valueFrom") or {}).get("fieldRef") or {}
        if "valueFrom" not in each:
            found[each["name"]] = str(each.get("value") or "")
        elif source.get("fieldPath") in fields:
            found[each["name"]] = fields[source["fieldPath"]]
    return found


def wanted(pod: Object) -> list[Wanted]:
    """All that the programs of a pod would write."""
    if not any(short_name(raw.get("image") or "") in MAKERS for raw in _containers(pod)):
        return []
    return [each for program in programs(pod) for maker in MAKERS.get(program.image, ()) for each in maker(program)]


def service_names(service: str, namespace: str) -> tuple[str, ...]:
    return (service, f"{service}.{namespace}", f"{service}.{namespace}.svc", f"{service}.{namespace}.svc.cluster.local")


def _certgen(program: Program) -> Iterator[Wanted]:
    """https://github.com/jet/kube-webhook-certgen and its fork in ingress-nginx (images/kube-webhook-certgen)."""
    flags = program.flags()
    namespace = flags.get("namespace") or program.namespace
    if "create" in program.words and flags.get("secret-name"):
        keys = {
            "certificate": flags.get("cert-name", "cert"),
            "key": flags.get("key-name", "key"),
            "ca": flags.get("ca-name", "ca"),
        }
        yield WantedSecret(
            namespace, flags["secret-name"], Certificate(tuple(flags.get("host", "").split(",")), **keys)
        )
    if "patch" in program.words and flags.get("webhook-name"):
        mutating, validating = flags.get("patch-mutating", "true"), flags.get("patch-validating", "true")
        policy = flags.get("patch-failure-policy", "")
        yield WantedBundle(flags["webhook-name"], mutating != "false", validating != "false", policy)


def _contour(program: Program) -> Iterator[Wanted]:
    """https://projectcontour.io/docs/main/grpc-tls-howto/ (contour certgen)"""
    if "certgen" in program.words:
        namespace = program.flags().get("namespace") or program.namespace
        for secret, service in (("contourcert", "contour"), ("envoycert", "envoy")):
            yield WantedSecret(namespace, secret, Certificate(service_names(service, namespace)))


def _metallb(program: Program) -> Iterator[Wanted]:
    """https://metallb.universe.tf/installation/: the controller makes the key with which speakers find each other."""
    secret = program.variables.get("METALLB_ML_SECRET_NAME")
    if secret:
        yield WantedSecret(program.namespace, secret, random={"secretkey": 128})


def _keda(program: Program) -> Iterator[Wanted]:
    """https://keda.sh/docs/latest/operate/security/ (certificates that the operator rotates)"""
    flags = program.flags()
    if flags.get("enable-cert-rotation", "false") != "false":
        names = service_names(flags.get("operator-service-name", "keda-operator"), program.namespace)
        secret = flags.get("cert-secret-name", "kedaorg-certs")
        yield WantedSecret(program.namespace, secret, Certificate(names))


def _argocd(program: Program) -> Iterator[Wanted]:
    """https://argo-cd.readthedocs.io/en/stable/faq/ (argocd-redis), and getting_started (the first password)."""
    if "redis-initial-password" in program.words:
        yield WantedSecret(program.namespace, "argocd-redis", random={"auth": 12})
    if any(word.rpartition("/")[2] == "argocd-server" for word in program.words):
        yield WantedSecret(program.namespace, "argocd-initial-admin-secret", random={"password": 12})


def _crossplane(program: Program) -> Iterator[Wanted]:
    """https://docs.crossplane.io/latest/guides/ (crossplane core init fills the Secrets that the chart makes)."""
    if "init" in program.words:
        service = program.variables.get("WEBHOOK_SERVICE_NAME") or "crossplane-webhooks"
        for variable in ("TLS_CA_SECRET_NAME", "TLS_SERVER_SECRET_NAME", "TLS_CLIENT_SECRET_NAME"):
            secret = program.variables.get(variable)
            if secret:
                yield WantedSecret(program.namespace, secret, Certificate(service_names(service, program.namespace)))


MAKERS: Mapping[str, Sequence[Callable[[Program], Iterator[Wanted]]]] = {
    "kube-webhook-certgen": (_certgen,),
    "contour": (_contour,),
    "controller": (_metallb,),
    "metallb-controller": (_metallb,),
    "keda": (_keda,),
    "argocd": (_argocd,),
    "crossplane": (_crossplane,),
}
"""By the image's short name."""
