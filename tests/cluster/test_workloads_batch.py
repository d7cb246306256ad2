"""Jobs, CronJobs and disruption budgets on a real cluster, through kubectl."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=2)

INDEXED = """
apiVersion: batch/v1
kind: Job
metadata: {name: indexed}
spec:
  completions: 4
  parallelism: 2
  completionMode: Indexed
  ttlSecondsAfterFinished: 600
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: busybox, command: [sh, -c, 'echo $JOB_COMPLETION_INDEX on $(hostname)']}]
"""
FAILS = """
apiVersion: batch/v1
kind: Job
metadata: {name: fails}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      containers: [{name: c, image: busybox, command: [sh, -c, 'exit 42']}]
"""
WEB = """
apiVersion: apps/v1
kind: Deployment
metadata: {name: web}
spec:
  replicas: 3
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec:
      terminationGracePeriodSeconds: 0
      containers: [{name: c, image: "web:1", ports: [{containerPort: 8080}]}]
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata: {name: web}
spec: {minAvailable: 3, selector: {matchLabels: {app: web}}}
"""


def status_of(sealane: Cluster, kind: str, name: str) -> dict[str, Any]:
    """{} while nobody has written one."""
    found: dict[str, Any] = sealane.get(kind, name, "default").get("status", {})
    return found


def test_a_job_runs_to_its_end_and_its_pods_go_with_it(sealane: Cluster) -> None:
    sealane.kubectl("create", "job", "hello", "--image=busybox", "--", "echo", "it is done").check()
    sealane.kubectl("wait", "--for=condition=complete", "job/hello", "--timeout=30s").check()
    assert sealane.kubectl("logs", "job/hello").check().out == "it is done\n"
    status = status_of(sealane, "job", "hello")
    assert (status["succeeded"], status["ready"], status["uncountedTerminatedPods"]) == (1, 0, {})
    assert sealane.kubectl("get", "job", "hello").check().out.splitlines()[1].split()[1:3] == ["Complete", "1/1"]
    sealane.kubectl("delete", "job", "hello").check()
    eventually(lambda: not sealane.kubectl("get", "pods", "-l", "job-name=hello", "-o", "name").check().out)


def test_an_indexed_job(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=INDEXED).check()
    sealane.kubectl("wait", "--for=condition=complete", "job/indexed", "--timeout=60s").check()
    said = sealane.kubectl("logs", "-l", "job-name=indexed", "--tail=-1").check().out
    assert sorted(said.splitlines()) == [f"{index} on indexed-{index}" for index in range(4)]
    status = status_of(sealane, "job", "indexed")
    assert (status["completedIndexes"], status["succeeded"]) == ("0-3", 4)
    names = sealane.kubectl("get", "pods", "-l", "job-name=indexed", "-o", "name").check().out.split()
    assert {name.rpartition("-")[0] for name in names} == {f"pod/indexed-{index}" for index in range(4)}


def test_a_job_that_fails_says_so(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=FAILS).check()
    sealane.kubectl("wait", "--for=condition=failed", "job/fails", "--timeout=30s").check()
    conditions = status_of(sealane, "job", "fails")["conditions"]
    assert [each["type"] for each in conditions] == ["FailureTarget", "Failed"]
    assert {each["reason"] for each in conditions} == {"BackoffLimitExceeded"}
    assert "Job has reached the specified backoff limit" in sealane.kubectl("describe", "job", "fails").check().out


def test_a_running_job_that_is_deleted_leaves_nothing(sealane: Cluster) -> None:
    sealane.kubectl(
        "create", "job", "long", "--image=busybox", "--", "sh", "-c", "trap exit TERM; sleep 1000 & wait"
    ).check()
    eventually(lambda: status_of(sealane, "job", "long").get("ready") == 1)
    sealane.kubectl("delete", "job", "long", "--timeout=50s", "--cascade=foreground").check()
    assert not sealane.kubectl("get", "pods", "-l", "job-name=long", "-o", "name").check().out


def test_a_cronjob_starts_jobs_and_so_does_a_person(sealane: Cluster) -> None:
    words = ("cronjob", "tick", "--image=busybox", "--schedule=@every 1s", "--", "echo", "tick")
    sealane.kubectl("create", *words).check()

    def started() -> str:
        jobs = sealane.kubectl("get", "jobs", "-o", "name").check().out.split()
        return next((job for job in jobs if job.startswith("job.batch/tick-")), "")

    job = eventually(started)
    sealane.kubectl("wait", "--for=condition=complete", job, "--timeout=30s").check()
    assert sealane.kubectl("logs", job).check().out == "tick\n"
    eventually(lambda: status_of(sealane, "cronjob", "tick").get("lastSuccessfulTime"))
    sealane.kubectl("create", "job", "by-hand", "--from=cronjob/tick").check()
    sealane.kubectl("wait", "--for=condition=complete", "job/by-hand", "--timeout=30s").check()
    sealane.kubectl("delete", "cronjob", "tick").check()
    eventually(lambda: not started())


def test_a_budget_holds_a_drain_up_until_it_allows_it(sealane: Cluster) -> None:
    sealane.apply(WEB)
    eventually(lambda: status_of(sealane, "pdb", "web").get("currentHealthy") == 3)
    pods = sealane.get("pods", namespace="default")["items"]
    web = [pod for pod in pods if pod["metadata"].get("labels", {}).get("app") == "web"]
    node = web[0]["spec"]["nodeName"]
    words = ("drain", node, "--ignore-daemonsets", "--delete-emptydir-data", "--force")
    held = sealane.kubectl(*words, "--timeout=3s")
    assert not held.ok
    assert "Cannot evict pod as it would violate the pod's disruption budget." in held.err
    assert sealane.get("node", node, "")["spec"]["unschedulable"] is True
    sealane.kubectl("patch", "pdb", "web", "--type=merge", "-p", '{"spec":{"minAvailable":2}}').check()
    sealane.kubectl(*words, "--timeout=60s", seconds=90).check()
    sealane.kubectl("rollout", "status", "deploy/web", "--timeout=30s").check()
    pods = sealane.get("pods", namespace="default")["items"]
    web = [pod for pod in pods if pod["metadata"].get("labels", {}).get("app") == "web"]
    assert all(pod["spec"]["nodeName"] != node for pod in web if "deletionTimestamp" not in pod["metadata"])
    sealane.kubectl("uncordon", node).check()
    assert "unschedulable" not in sealane.get("node", node, "")["spec"]


KEEPS = """
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: db}
spec:
  serviceName: db
  selector: {matchLabels: {app: db}}
  template:
    metadata: {labels: {app: db}}
    spec:
      terminationGracePeriodSeconds: 0
      containers:
      - name: c
        image: busybox
        command: [sh, -c, 'echo run >> /data/runs; wc -l < /data/runs; sleep 1000']
        volumeMounts: [{name: data, mountPath: /data}]
  volumeClaimTemplates:
  - metadata: {name: data}
    spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
"""


def test_what_a_statefulset_writes_outlives_its_pod(sealane: Cluster) -> None:
    sealane.apply(KEEPS)
    claim = sealane.kubectl("get", "pvc", "data-db-0").check().out.splitlines()[1].split()
    assert (claim[1], claim[3], claim[4]) == ("Bound", "1Gi", "RWO")
    eventually(lambda: sealane.kubectl("logs", "db-0").check().out.strip() == "1")
    before = sealane.get("pod", "db-0", "default")["metadata"]["uid"]
    sealane.kubectl("delete", "pod", "db-0").check()
    eventually(lambda: sealane.kubectl("get", "pod", "db-0", "-o", "jsonpath={.metadata.uid}").out not in ("", before))
    eventually(lambda: sealane.kubectl("logs", "db-0").out.strip() == "2")
