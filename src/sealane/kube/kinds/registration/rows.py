"""The definition of APIService."""

from __future__ import annotations

from sealane.kube import names
from sealane.kube.kinds import APISERVICE
from sealane.kube.kinds.definition import Definition
from sealane.kube.kinds.registration import checks, columns, defaults
from sealane.kube.kinds.registration.status import availability

ROWS = (
    Definition(
        kind=APISERVICE,
        names=names.path_segment,  # that of the core group is v1.
        defaults=defaults.api_service,
        checks=checks.check_api_service,
        birth=availability,
        conditional=True,
        columns=columns.API_SERVICE,
    ),
)
