"""Columns of `kubectl get` for Jobs and CronJobs.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go (printJob, printCronJob).
"""

from __future__ import annotations

from sealane.kube.kinds.ages import human, since
from sealane.kube.kinds.column import AGE, NAME, SELECTOR, Column, shown, spec_of, status_of, text
from sealane.kube.kinds.pods.columns import OF_TEMPLATE
from sealane.kube.objects import Raw
from sealane.kube.times import seconds


def job_status(raw: Raw) -> str:
    true = {each["type"] for each in (raw.get("status") or {}).get("conditions") or () if each["status"] == "True"}
    for ended in ("Complete", "Failed"):
        if ended in true:
            return ended
    if raw["metadata"].get("deletionTimestamp"):
        return "Terminating"
    return next((each for each in ("Suspended", "FailureTarget", "SuccessCriteriaMet") if each in true), "Running")


def job_completions(raw: Raw) -> str:
    spec, succeeded = raw.get("spec") or {}, (raw.get("status") or {}).get("succeeded", 0)
    if spec.get("completions") is not None:
        return f"{succeeded}/{spec['completions']}"
    parallelism = spec.get("parallelism", 0)
    return f"{succeeded}/1 of {parallelism}" if parallelism > 1 else f"{succeeded}/1"


def job_duration(raw: Raw, now: float) -> str:
    status = raw.get("status") or {}
    if not status.get("startTime"):
        return ""
    end = seconds(status["completionTime"]) if status.get("completionTime") else now
    return human(end - seconds(status["startTime"]))


def last_schedule(raw: Raw, now: float) -> str:
    last = (raw.get("status") or {}).get("lastScheduleTime")
    return since(last, now) if last else "<none>"


JOB = (
    NAME,
    shown("Status", job_status),
    shown("Completions", job_completions),
    Column("Duration", job_duration),
    AGE,
    *OF_TEMPLATE,
    SELECTOR,
)
CRON_JOB = (
    NAME,
    text("Schedule", "spec", "schedule"),
    text("Timezone", "spec", "timeZone"),
    shown("Suspend", lambda raw: str(bool(spec_of(raw).get("suspend")))),
    Column("Active", lambda raw, _now: len(status_of(raw).get("active") or ()), "integer"),
    Column("Last Schedule", last_schedule),
    AGE,
)
