"""Jobs, played: pods start, end well or badly, and the Job counts, replaces, gives up or is done."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.controllers.world import World

from sealane.controllers.batch.jobs_indexes import COMPLETION_INDEX, index_of, parse, text_of
from sealane.kube.objects import Object
from sealane.kube.times import timestamp


class Play:
    """A Job named `work` and what happens to its pods."""

    def __init__(self, restart: str = "Never", **spec: Any) -> None:
        self.world = World()
        container = {"name": "c", "image": "busybox"}
        template = {"spec": {"restartPolicy": restart, "containers": [container]}}
        metadata = {"name": "work", "namespace": "shop"}
        raw = {"apiVersion": "batch/v1", "kind": "Job", "metadata": metadata, "spec": {"template": template, **spec}}
        self.world.add(raw)
        self.settle()

    def settle(self) -> None:
        self.world.settle(run=False, seconds=0)

    @property
    def job(self) -> Object:
        return self.world.get("Job", "work")

    @property
    def status(self) -> Any:
        return self.job.status

    def pods(self, phase: str = "") -> list[Object]:
        pods = [pod for pod in self.world.all("Pod") if not pod.deleting]
        return [pod for pod in pods if not phase or (pod.status.get("phase") or "Pending") == phase]

    def pod_of(self, index: int) -> Object:
        return next(pod for pod in self.pods("Pending") if index_of(pod) == index)

    def end(self, pod: Object, code: int = 0, *, conditions: Any = ()) -> None:
        """The pod's container ends with this code."""
        ended = {"exitCode": code, "finishedAt": timestamp(self.world.now)}
        statuses = [{"name": "c", "state": {"terminated": ended}}]
        phase = "Failed" if code else "Succeeded"
        status = {"phase": phase, "containerStatuses": statuses, "conditions": list(conditions)}
        self.world._merge("Pod", pod.name, {"status": status})
        self.settle()

    def gone(self) -> None:
        """Pods that are being deleted have ended."""
        for pod in self.world.all("Pod"):
            if pod.deleting:
                self.world._merge("Pod", pod.name, {"status": {"phase": "Failed"}})
                if not pod.metadata.get("finalizers"):
                    del self.world.objects["Pod", pod.name]
        self.settle()

    def wait(self, seconds: float) -> None:
        self.world.now += seconds
        self.settle()

    def condition(self, kind: str) -> tuple[str, str] | None:
        for each in self.status.get("conditions") or ():
            if each["type"] == kind and each["status"] == "True":
                return each["reason"], each["message"]
        return None


COMPLETE = ("CompletionsReached", "Reached expected number of succeeded pods")


def test_one_pod_that_ends_well() -> None:
    play = Play()
    (pod,) = play.pods()
    assert pod.metadata["finalizers"] == ["batch.kubernetes.io/job-tracking"]
    assert pod.labels["batch.kubernetes.io/job-name"] == pod.labels["job-name"] == "work"
    assert (play.status["active"], play.status["ready"], play.status["uncountedTerminatedPods"]) == (1, 0, {})
    play.end(pod)
    assert play.status["succeeded"] == 1
    assert "active" not in play.status
    assert play.condition("SuccessCriteriaMet") == play.condition("Complete") == COMPLETE
    assert play.status["completionTime"]
    assert "finalizers" not in play.pods()[0].metadata


def test_completions_with_a_limit_on_how_many_at_once() -> None:
    play = Play(completions=3, parallelism=2)
    for expected in (2, 2, 1):
        alive = play.pods("Pending")
        assert len(alive) == expected
        play.end(alive[0])
    assert play.condition("Complete") == COMPLETE
    assert play.status["succeeded"] == 3


def test_a_work_queue_is_done_when_one_succeeds_and_all_have_ended() -> None:
    play = Play(parallelism=3)
    first, second, third = play.pods()
    play.end(first)
    assert len(play.pods("Pending")) == 2
    assert play.condition("Complete") is None
    play.end(second)
    play.end(third)
    assert play.condition("Complete") == COMPLETE


def test_failures_are_replaced_with_a_back_off_that_doubles_until_the_limit() -> None:
    play = Play(backoffLimit=2)
    for wait in (10, 20):
        play.end(play.pods("Pending")[0], 1)
        assert not play.pods("Pending")
        play.wait(wait - 1)
        assert not play.pods("Pending")
        play.wait(1)
        assert len(play.pods("Pending")) == 1
    play.end(play.pods("Pending")[0], 1)
    why = ("BackoffLimitExceeded", "Job has reached the specified backoff limit")
    assert play.condition("FailureTarget") == play.condition("Failed") == why
    assert play.status["failed"] == 3


def test_when_it_fails_the_pods_that_run_end_first() -> None:
    play = Play(parallelism=2, completions=2, backoffLimit=0)
    play.end(play.pods()[0], 1)
    assert play.condition("FailureTarget") is not None
    assert play.condition("Failed") is None
    play.gone()
    assert play.condition("Failed") is not None
    assert play.status["failed"] == 2


def test_restarts_of_containers_count_under_on_failure() -> None:
    play = Play(restart="OnFailure", backoffLimit=2)
    (pod,) = play.pods()
    running = {"phase": "Running", "containerStatuses": [{"name": "c", "restartCount": 2, "state": {}}]}
    play.world._merge("Pod", pod.name, {"status": running})
    play.settle()
    play.gone()
    assert play.condition("Failed") == ("BackoffLimitExceeded", "Job has reached the specified backoff limit")


def test_a_deadline() -> None:
    play = Play(activeDeadlineSeconds=30)
    play.wait(29)
    assert play.condition("FailureTarget") is None
    play.wait(1)
    play.gone()
    assert play.condition("Failed") == ("DeadlineExceeded", "Job was active longer than specified deadline")


def test_a_finished_job_goes_after_its_time_to_live() -> None:
    play = Play(ttlSecondsAfterFinished=60)
    play.end(play.pods()[0])
    play.wait(59)
    assert play.world.all("Job")
    play.wait(1)
    assert not play.world.all("Job")


def test_suspended_has_no_pods_and_resumes_with_a_new_start() -> None:
    play = Play(suspend=True)
    assert not play.pods()
    assert play.condition("Suspended") == ("JobSuspended", "Job suspended")
    assert "startTime" not in play.status
    play.wait(100)
    play.world.change("Job", "work", {"spec": {"suspend": False}})
    play.settle()
    assert len(play.pods()) == 1
    assert play.status["startTime"] == timestamp(play.world.now)
    assert [each["reason"] for each in play.status["conditions"]] == ["JobResumed"]
    play.world.change("Job", "work", {"spec": {"suspend": True}})
    play.settle()
    assert not play.pods()
    assert "failed" not in play.status  # these ends count for nothing


def test_each_index_is_done_once() -> None:
    play = Play(completions=3, parallelism=3, completionMode="Indexed")
    assert sorted(pod.annotations[COMPLETION_INDEX] for pod in play.pods()) == ["0", "1", "2"]
    pod = play.pod_of(1)
    assert pod.spec["hostname"] == "work-1"
    assert pod.name.startswith("work-1-")
    (variable,) = pod.spec["containers"][0]["env"]
    assert variable["name"] == "JOB_COMPLETION_INDEX"
    assert variable["valueFrom"]["fieldRef"]["fieldPath"] == f"metadata.labels['{COMPLETION_INDEX}']"
    play.end(pod, 1)
    play.wait(10)
    play.end(play.pod_of(1))
    play.end(play.pod_of(0))
    assert play.status["completedIndexes"] == "0-1"
    play.end(play.pod_of(2))
    assert (play.status["completedIndexes"], play.status["succeeded"], play.status["failed"]) == ("0-2", 3, 1)
    assert play.condition("Complete") == COMPLETE


def test_a_limit_for_each_index() -> None:
    play = Play(completions=2, parallelism=2, completionMode="Indexed", backoffLimitPerIndex=1)
    for _ in range(2):
        play.end(play.pod_of(0), 1)
        play.wait(20)
    assert play.status["failedIndexes"] == "0"
    assert [index_of(pod) for pod in play.pods("Pending")] == [1]
    play.end(play.pod_of(1))
    assert play.condition("Failed") == ("FailedIndexes", "Job has failed indexes")
    assert play.status["completedIndexes"] == "1"


def test_too_many_failed_indexes() -> None:
    play = Play(completions=3, parallelism=3, completionMode="Indexed", backoffLimitPerIndex=0, maxFailedIndexes=1)
    play.end(play.pod_of(0), 1)
    play.end(play.pod_of(1), 1)
    play.gone()
    why = ("MaxFailedIndexesExceeded", "Job has exceeded the specified maximal number of failed indexes")
    assert play.condition("Failed") == why


def test_a_success_policy_ends_what_still_runs() -> None:
    rules = {"rules": [{"succeededIndexes": "0,2", "succeededCount": 1}]}
    play = Play(completions=3, parallelism=3, completionMode="Indexed", successPolicy=rules)
    play.end(play.pod_of(1))
    assert play.condition("SuccessCriteriaMet") is None
    play.end(play.pod_of(2))
    assert play.condition("SuccessCriteriaMet") == ("SuccessPolicy", "Matched rules at index 0")
    assert play.condition("Complete") is None
    play.gone()
    assert play.condition("Complete") == ("SuccessPolicy", "Matched rules at index 0")


RULES = {
    "rules": [
        {"action": "FailJob", "onExitCodes": {"operator": "In", "values": [42]}},
        {"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]},
    ]
}


def test_a_pod_failure_policy_fails_the_job_at_once() -> None:
    play = Play(podFailurePolicy=RULES)
    (pod,) = play.pods()
    play.end(pod, 42)
    message = f"Container c for pod shop/{pod.name} failed with exit code 42 matching FailJob rule at index 0"
    assert play.condition("Failed") == ("PodFailurePolicy", message)


def test_a_pod_failure_policy_ignores_disruptions() -> None:
    play = Play(podFailurePolicy=RULES, backoffLimit=0)
    play.end(play.pods()[0], 1, conditions=[{"type": "DisruptionTarget", "status": "True"}])
    play.wait(10)
    assert "failed" not in play.status
    assert len(play.pods("Pending")) == 1
    play.end(play.pods("Pending")[0], 1)
    assert play.condition("Failed") is not None


@pytest.mark.parametrize(("policy", "waits"), [("TerminatingOrFailed", False), ("Failed", True)])
def test_whether_a_pod_that_goes_is_replaced_before_it_is_gone(policy: str, waits: bool) -> None:
    play = Play(podReplacementPolicy=policy)
    (pod,) = play.pods()
    play.world._merge("Pod", pod.name, {"metadata": {"deletionTimestamp": timestamp(play.world.now)}})
    play.settle()
    play.wait(10)
    assert len(play.pods("Pending")) == (0 if waits else 1)
    assert play.status["terminating"] == 1


def test_parallelism_that_shrinks_ends_pods_for_nothing() -> None:
    play = Play(completions=5, parallelism=3)
    play.world.change("Job", "work", {"spec": {"parallelism": 1}})
    play.settle()
    assert len(play.pods()) == 1
    assert "failed" not in play.status


def test_a_job_that_is_deleted_in_the_foreground_lets_its_pods_go() -> None:
    play = Play(parallelism=2, completions=2)
    now = timestamp(play.world.now)
    play.world._merge("Job", "work", {"metadata": {"deletionTimestamp": now, "finalizers": ["foregroundDeletion"]}})
    for pod in play.pods():
        play.world._merge("Pod", pod.name, {"metadata": {"deletionTimestamp": now}})
    play.settle()
    assert all("finalizers" not in pod.metadata for pod in play.world.all("Pod"))


@given(st.lists(st.sampled_from(["well", "badly", "step", "delete"]), max_size=40), st.integers(1, 4))
def test_each_end_is_counted_once_whatever_comes_between(events: list[str], parallelism: int) -> None:
    """Plans are carried out in part, pods are deleted while they are counted."""
    play = Play(completions=6, parallelism=parallelism, backoffLimit=100)
    world, well = play.world, 0
    for event in events:
        pending = play.pods("Pending")
        if event == "step":
            world.step()
        elif event == "delete" and (over := [pod for pod in play.pods() if pod.status.get("phase") == "Succeeded"]):
            gone = {"metadata": {"deletionTimestamp": timestamp(world.now)}}
            world._merge("Pod", over[0].name, gone)
            if not over[0].metadata.get("finalizers"):
                del world.objects["Pod", over[0].name]
        elif event in ("well", "badly") and pending:
            phase = "Succeeded" if event == "well" else "Failed"
            well += event == "well"
            world._merge("Pod", pending[0].name, {"status": {"phase": phase}})
        world.now += 700
    play.settle()
    assert (play.status.get("succeeded") or 0) == well


@given(st.frozensets(st.integers(0, 60)))
def test_indexes_as_text(indexes: frozenset[int]) -> None:
    assert parse(text_of(indexes)) == indexes


def test_the_form_of_indexes() -> None:
    assert text_of([7, 1, 3, 4, 5]) == "1,3-5,7"
    assert text_of([]) == ""
