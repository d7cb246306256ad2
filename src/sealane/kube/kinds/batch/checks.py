"""Job and CronJob.

Source: k8s.io/kubernetes/pkg/apis/batch/validation
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sealane.kube.checks.common import check_not_negative
from sealane.kube.checks.metadata import check_annotations, check_labels
from sealane.kube.kinds.batch import cron
from sealane.kube.kinds.pods.checks import check_pod_spec
from sealane.kube.problems import Part, Problem

_LONGEST_CRON_JOB = 52
_MOST_INDEXED = 100_000
_ZONED = re.compile(r"^(CRON_)?TZ=\S+\s+")
_ZONE = re.compile(r"[A-Za-z0-9_.+\-]+")


def check_job(obj: Part) -> Iterator[Problem]:
    yield from _check_job_spec(obj["spec"])


def _check_job_spec(spec: Part) -> Iterator[Problem]:
    yield from check_not_negative(
        spec, "parallelism", "completions", "activeDeadlineSeconds", "backoffLimit", "ttlSecondsAfterFinished",
        "backoffLimitPerIndex", "maxFailedIndexes",
    )  # fmt: skip
    per_index, failed = spec.number("backoffLimitPerIndex"), spec.number("maxFailedIndexes")
    completions = spec.number("completions")
    if failed is not None and per_index is None:
        yield spec["backoffLimitPerIndex"].required("when maxFailedIndexes is specified")
    if spec.text("completionMode") == "Indexed":
        if completions is None:
            yield spec["completions"].required("when completion mode is Indexed")
        if (spec.number("parallelism") or 0) > _MOST_INDEXED:
            why = f"must be less than or equal to {_MOST_INDEXED} when completion mode is Indexed"
            yield spec["parallelism"].invalid(why)
        if failed is not None and completions is not None and failed > completions:
            yield spec["maxFailedIndexes"].invalid("must be less than or equal to completions")
    else:
        for name in ("backoffLimitPerIndex", "maxFailedIndexes", "successPolicy"):
            if name in spec:
                yield spec[name].invalid("requires indexed completion mode")
    template = spec["template"]
    yield from check_labels(template["metadata"]["labels"])
    yield from check_annotations(template["metadata"]["annotations"])
    yield from check_pod_spec(template["spec"])
    restart = template["spec"]["restartPolicy"]
    if restart.empty or restart.value == "Always":
        yield restart.required('valid values: "OnFailure", "Never"')
    elif spec["podFailurePolicy"].present and restart.value != "Never":
        yield restart.invalid('only "Never" is supported when podFailurePolicy is specified')


def check_cron_job(obj: Part) -> Iterator[Problem]:
    spec, name = obj["spec"], obj["metadata"]["name"]
    if isinstance(name.value, str) and len(name.value) > _LONGEST_CRON_JOB:
        yield name.invalid(f"must be no more than {_LONGEST_CRON_JOB} characters")
    schedule = spec["schedule"]
    if schedule.empty:
        yield schedule.required()
    elif isinstance(schedule.value, str):
        try:
            cron.parse(_ZONED.sub("", schedule.value))
        except cron.BadSchedule as error:
            yield schedule.invalid(str(error))
        if "TZ" in schedule.value:
            yield schedule.invalid("cannot use TZ or CRON_TZ in schedule, use timeZone field instead")
    yield from check_not_negative(
        spec, "startingDeadlineSeconds", "successfulJobsHistoryLimit", "failedJobsHistoryLimit"
    )
    zone = spec["timeZone"]
    if zone.value == "":
        yield zone.invalid("timeZone must be nil or non-empty string")
    elif isinstance(zone.value, str):
        yield from _check_zone(zone, zone.value)
    yield from _check_job_spec(spec["jobTemplate"]["spec"])


def _check_zone(zone: Part, text: str) -> Iterator[Problem]:
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # few schedules name a zone

    if text.lower() == "local":
        why = "timeZone must be an explicit time zone as defined in https://www.iana.org/time-zones"
        yield zone.invalid(why)
        return
    parts = text.split("/")
    known = all(_ZONE.fullmatch(part) and part not in (".", "..") and part[0] != "-" for part in parts)
    try:
        if known:
            ZoneInfo(text)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        known = False
    if not known:
        yield zone.invalid(f"unknown time zone {text}")
