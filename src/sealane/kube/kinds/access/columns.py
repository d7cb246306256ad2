"""Columns of `kubectl get` for bindings and CertificateSigningRequests.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go
"""

from __future__ import annotations

from sealane.kube.kinds.ages import human
from sealane.kube.kinds.column import AGE, CREATED, NAME, count, shown, text
from sealane.kube.objects import Raw


def role_of(raw: Raw) -> str:
    reference = raw.get("roleRef") or {}
    return f"{reference.get('kind')}/{reference.get('name')}"


def subjects(raw: Raw, kind: str) -> str:
    found = [each for each in raw.get("subjects") or () if each.get("kind") == kind]
    if kind == "ServiceAccount":
        return ", ".join(f"{each.get('namespace')}/{each.get('name')}" for each in found)
    return ", ".join(str(each.get("name")) for each in found)


def requested_duration(raw: Raw) -> str:
    seconds = (raw.get("spec") or {}).get("expirationSeconds")
    return human(seconds) if isinstance(seconds, int) else "<none>"


def request_condition(raw: Raw) -> str:
    status = raw.get("status") or {}
    types = {condition.get("type") for condition in status.get("conditions") or ()}
    word = "Denied" if "Denied" in types else "Approved" if "Approved" in types else "Pending"
    if "Failed" in types:
        word += ",Failed"
    return f"{word},Issued" if status.get("certificate") else word


SERVICE_ACCOUNT = (NAME, count("Secrets", "secrets"), AGE)
ROLE = (NAME, CREATED)
BINDING = (
    NAME,
    shown("Role", role_of),
    AGE,
    shown("Users", lambda raw: subjects(raw, "User"), wide=True),
    shown("Groups", lambda raw: subjects(raw, "Group"), wide=True),
    shown("ServiceAccounts", lambda raw: subjects(raw, "ServiceAccount"), wide=True),
)
SIGNING_REQUEST = (
    NAME,
    AGE,
    text("SignerName", "spec", "signerName"),
    text("Requestor", "spec", "username", absent=""),
    shown("RequestedDuration", requested_duration),
    shown("Condition", request_condition),
)
