"""Jobs, CronJobs and PodDisruptionBudgets that the API refuses, in its words."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.kinds.validation import validate


def job_spec(*, restart: str = "Never", **spec: Any) -> dict[str, Any]:
    pod = {"restartPolicy": restart, "containers": [{"name": "c", "image": "busybox"}]}
    return {"template": {"spec": pod}, **spec}


def said(kind: str, spec: dict[str, Any], group: str = "batch", name: str = "x") -> list[str]:
    raw = {"apiVersion": f"{group}/v1", "kind": kind, "metadata": {"name": name, "namespace": "d"}, "spec": spec}
    return [str(problem) for problem in validate(raw)]


@pytest.mark.parametrize(
    ("spec", "expected"),
    [
        (job_spec(), []),
        (
            job_spec(restart="Always"),
            ['spec.template.spec.restartPolicy: Required value: valid values: "OnFailure", "Never"'],
        ),
        (
            job_spec(parallelism=-1),
            ["spec.parallelism: Invalid value: -1: must be greater than or equal to 0"],
        ),
        (
            job_spec(completionMode="Indexed"),
            ["spec.completions: Required value: when completion mode is Indexed"],
        ),
        (
            job_spec(backoffLimitPerIndex=1),
            ["spec.backoffLimitPerIndex: Invalid value: 1: requires indexed completion mode"],
        ),
    ],
)
def test_jobs(spec: dict[str, Any], expected: list[str]) -> None:
    assert said("Job", spec) == expected


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ({}, []),
        (
            {"schedule": "nonsense"},
            ['spec.schedule: Invalid value: "nonsense": expected exactly 5 fields, found 1: [nonsense]'],
        ),
        (
            {"schedule": "TZ=UTC * * * * *"},
            [
                'spec.schedule: Invalid value: "TZ=UTC * * * * *": cannot use TZ or CRON_TZ in schedule, use timeZone '
                "field instead"
            ],
        ),
        (
            {"timeZone": "Mars/Olympus"},
            ['spec.timeZone: Invalid value: "Mars/Olympus": unknown time zone Mars/Olympus'],
        ),
        (
            {"failedJobsHistoryLimit": -1},
            ["spec.failedJobsHistoryLimit: Invalid value: -1: must be greater than or equal to 0"],
        ),
    ],
)
def test_cronjobs(more: dict[str, Any], expected: list[str]) -> None:
    assert said("CronJob", {"schedule": "* * * * *", "jobTemplate": {"spec": job_spec()}, **more}) == expected


def test_a_cronjob_with_a_name_that_is_too_long() -> None:
    spec = {"schedule": "* * * * *", "jobTemplate": {"spec": job_spec()}}
    (problem,) = said("CronJob", spec, name="x" * 53)
    assert problem.endswith("must be no more than 52 characters")


def test_disruption_budgets() -> None:
    selector = {"matchLabels": {"a": "b"}}
    assert said("PodDisruptionBudget", {"selector": selector, "minAvailable": "50%"}, "policy") == []
    (both,) = said("PodDisruptionBudget", {"selector": selector, "minAvailable": 1, "maxUnavailable": 1}, "policy")
    assert both.endswith("minAvailable and maxUnavailable cannot be both set")
    (much,) = said("PodDisruptionBudget", {"selector": selector, "maxUnavailable": "101%"}, "policy")
    assert much == 'spec.maxUnavailable: Invalid value: "101%": must not be greater than 100%'
