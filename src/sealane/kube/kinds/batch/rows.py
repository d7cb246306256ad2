"""The definitions of Job and CronJob."""

from __future__ import annotations

from sealane.kube.kinds import CRONJOB, JOB
from sealane.kube.kinds.batch import changes, checks, columns, defaults
from sealane.kube.kinds.definition import Definition, Field

ROWS = (
    Definition(
        kind=JOB,
        defaults=defaults.job,
        checks=checks.check_job,
        changes={"": changes.check_job_change},
        generation=True,
        columns=columns.JOB,
        selectable={"status.successful": Field((("status", "succeeded"),), "0")},
    ),
    Definition(
        kind=CRONJOB,
        defaults=defaults.cron_job,
        checks=checks.check_cron_job,
        generation=True,
        columns=columns.CRON_JOB,
    ),
)
