"""The definitions of accounts, roles, bindings and CertificateSigningRequest."""

from __future__ import annotations

from sealane.kube import kinds, names
from sealane.kube.kinds.access import changes, checks, columns, defaults
from sealane.kube.kinds.definition import Definition, fields

ROWS = (
    Definition(kind=kinds.SERVICEACCOUNT, shown_when_deleted=True, columns=columns.SERVICE_ACCOUNT),
    *(
        Definition(
            kind=kind, names=names.path_segment, checks=checks.check_role, made_by_update=True, columns=columns.ROLE
        )
        for kind in (kinds.ROLE, kinds.CLUSTERROLE)
    ),
    *(
        Definition(
            kind=kind,
            names=names.path_segment,
            defaults=defaults.role_binding,
            checks=checks.check_role_binding,
            changes={"": changes.check_binding_change},
            made_by_update=True,
            columns=columns.BINDING,
        )
        for kind in (kinds.ROLEBINDING, kinds.CLUSTERROLEBINDING)
    ),
    Definition(
        kind=kinds.CSR,
        checks=checks.check_signing_request,
        changes={"approval": changes.check_decision, "status": changes.check_signed},
        columns=columns.SIGNING_REQUEST,
        selectable=fields("spec.signerName"),
    ),
)
