"""The controllers of Jobs and CronJobs, wired: which changes wake which plan, and what the plan reads."""

from __future__ import annotations

import time

from sealane.controllers.actions import Action, by_controller
from sealane.controllers.batch import cronjobs, jobs
from sealane.controllers.reconciler import Reconciler
from sealane.controllers.workloads.pods import PodFacts
from sealane.controllers.workloads.wiring import Now, Sources, by_uid, owner_of, owner_of_pod, pods_of
from sealane.kube.client.protocol import Client
from sealane.kube.kinds import CRONJOB, JOB, POD
from sealane.kube.objects import Key, Object
from sealane.reactive.collections import ByIndex, Collection, Fetch, derive
from sealane.reactive.recorder import Recorder


def job_controller(
    client: Client, sources: Sources, pods: Collection[Key, PodFacts], recorder: Recorder, now: Now = time.time
) -> Reconciler:
    def plan(job: Object) -> list[Action]:
        return jobs.plan(job, *pods_of(pods, job), now())

    controller = Reconciler(client, JOB, sources, plan, recorder)
    controller.follow(pods, owner_of_pod(sources[JOB]))
    return controller


def stray_pod_controller(
    client: Client, sources: Sources, pods: Collection[Key, PodFacts], recorder: Recorder
) -> Reconciler:
    """Lets go of pods that no Job will count: theirs is gone."""
    of_jobs = sources[JOB]

    def stray(_key: Key, pod: PodFacts, fetch: Fetch) -> Object | None:
        if not pod.tracked or (pod.controller and fetch(of_jobs, index=by_uid, value=pod.controller)):
            return None
        return pod.object

    strays = derive("stray pods of Jobs", pods, stray)
    return Reconciler(client, POD, {POD: strays}, lambda pod: [jobs.untracked(pod)], recorder)


def cronjob_controller(client: Client, sources: Sources, recorder: Recorder, now: Now = time.time) -> Reconciler:
    of_jobs = sources[JOB]

    def plan(cronjob: Object) -> list[Action]:
        return cronjobs.plan(cronjob, of_jobs.select(ByIndex(by_controller, cronjob.uid)), now())

    controller = Reconciler(client, CRONJOB, sources, plan, recorder)
    controller.follow(of_jobs, owner_of(sources[CRONJOB]))
    return controller
