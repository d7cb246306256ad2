"""Roles, bindings and CertificateSigningRequests.

Source: k8s.io/kubernetes/pkg/apis/rbac/validation and pkg/apis/certificates/validation
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_text
from sealane.kube.problems import Part, Problem

_GROUP = "rbac.authorization.k8s.io"
_SHORTEST = 600
_USAGES = (
    "any", "cert sign", "client auth", "code signing", "content commitment", "crl sign", "data encipherment",
    "decipher only", "digital signature", "email protection", "encipher only", "ipsec end system", "ipsec tunnel",
    "ipsec user", "key agreement", "key encipherment", "microsoft sgc", "netscape sgc", "ocsp signing", "s/mime",
    "server auth", "signing", "timestamping",
)  # fmt: skip


def check_role(obj: Part) -> Iterator[Problem]:
    for rule in obj.each("rules"):
        if rule["verbs"].empty:
            yield rule["verbs"].required("verbs must contain at least one value")
        if not rule["nonResourceURLs"].empty:
            if obj.text("kind") == "Role":
                yield rule["nonResourceURLs"].invalid("namespaced rules cannot apply to non-resource URLs")
            if any(not rule[field].empty for field in ("apiGroups", "resources", "resourceNames")):
                why = "rules cannot apply to both regular resources and non-resource URLs"
                yield rule["nonResourceURLs"].invalid(why)
            continue
        if rule["apiGroups"].empty:
            yield rule["apiGroups"].required("resource rules must supply at least one api group")
        if rule["resources"].empty:
            yield rule["resources"].required("resource rules must supply at least one resource")


def check_role_binding(obj: Part) -> Iterator[Problem]:
    namespaced = obj.text("kind") == "RoleBinding"
    reference = obj["roleRef"]
    if reference.text("apiGroup") != _GROUP:
        yield Part(reference.text("apiGroup"), reference["apiGroup"].path).not_supported([_GROUP])
    allowed = ["Role", "ClusterRole"] if namespaced else ["ClusterRole"]
    if reference.text("kind") not in allowed:
        yield Part(reference.text("kind"), reference["kind"].path).not_supported(allowed)
    if not reference.text("name"):
        yield reference["name"].required()
    for subject in obj.each("subjects"):
        yield from _check_subject(subject, namespaced)


def _check_subject(subject: Part, namespaced: bool) -> Iterator[Problem]:
    kind, group = subject.text("kind"), subject.text("apiGroup")
    if not subject.text("name"):
        yield subject["name"].required()
    if kind == "ServiceAccount":
        yield from check_text(subject["name"], names.dns_subdomain)
        if group:
            yield subject["apiGroup"].not_supported([""])
        if not namespaced and not subject.text("namespace"):
            yield subject["namespace"].required()
    elif kind in ("User", "Group"):
        if group != _GROUP:
            yield Part(group, subject["apiGroup"].path).not_supported([_GROUP])
    else:
        yield Part(kind, subject["kind"].path).not_supported(["ServiceAccount", "User", "Group"])


def check_signing_request(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    if spec["usages"].empty:
        yield spec["usages"].required()
    seen = set()
    for usage in spec.each("usages"):
        if usage.value not in _USAGES:
            yield usage.not_supported(_USAGES)
        elif usage.value in seen:
            yield usage.duplicate()
        seen.add(str(usage.value))
    signer = spec["signerName"]
    if not spec.text("signerName"):
        yield signer.required()
    elif spec.text("signerName") == "kubernetes.io/legacy-unknown":
        yield signer.invalid("the legacy signerName is not allowed via this API version")
    elif spec.text("signerName").count("/") != 1:
        yield signer.invalid("must be a fully qualified domain and path of the form 'example.com/signer-name'")
    seconds = spec.number("expirationSeconds")
    if seconds is not None and seconds < _SHORTEST:
        yield spec["expirationSeconds"].invalid("may not specify a duration less than 600 seconds (10 minutes)")
    conditions = {condition.text("type") for condition in obj["status"].each("conditions")}
    if {"Approved", "Denied"} <= conditions:
        yield obj["status"]["conditions"].invalid("Approved and Denied conditions are mutually exclusive")
