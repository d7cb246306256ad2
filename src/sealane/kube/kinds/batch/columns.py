"""What `kubectl get` shows of Jobs, CronJobs, HorizontalPodAutoscalers and volumes.

Source: k8s.io/kubernetes/pkg/printers/internalversion/printers.go (printJob, printCronJob, formatHPAMetrics).
"""

from __future__ import annotations

from sealane.kube.kinds.ages import human, since
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


def scaled_reference(raw: Raw) -> str:
    target = (raw.get("spec") or {}).get("scaleTargetRef") or {}
    return f"{target.get('kind', '')}/{target.get('name', '')}"


def scaling_targets(raw: Raw) -> str:
    """What is aimed at; nothing here measures where it stands, so that is unknown."""
    shown = []
    for metric in (raw.get("spec") or {}).get("metrics") or ():
        source = metric.get(f"{metric.get('type', '')[:1].lower()}{metric.get('type', '')[1:]}") or {}
        target, name = source.get("target") or {}, source.get("name") or ""
        utilization = target.get("averageUtilization")
        amount = target.get("averageValue") or target.get("value") or "<auto>"
        wanted = f"{utilization}%" if utilization is not None else str(amount)
        shown.append(f"{name}: <unknown>/{wanted}" if name else f"<unknown>/{wanted}")
    more = f" + {len(shown) - 2} more..." if len(shown) > 2 else ""
    return ", ".join(shown[:2]) + more or "<none>"


_MODES = {"ReadWriteOnce": "RWO", "ReadOnlyMany": "ROX", "ReadWriteMany": "RWX", "ReadWriteOncePod": "RWOP"}


def access_modes(modes: object) -> str:
    given = modes if isinstance(modes, list) else []
    return ",".join(short for mode, short in _MODES.items() if mode in given)


def claimed_by(raw: Raw) -> str:
    reference = (raw.get("spec") or {}).get("claimRef") or {}
    return f"{reference.get('namespace', '')}/{reference.get('name', '')}" if reference else ""
