"""A world in which plans are carried out at once: the pure plans of controllers against plain objects and a clock."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping
from typing import Any

from sealane.controllers.actions import Action, Create, Delete, Patch, by_controller, orphans_of
from sealane.controllers.batch import cronjobs, jobs
from sealane.controllers.workloads import daemonsets, deployments, replicasets, statefulsets
from sealane.controllers.workloads.pods import PodFacts, pod_facts
from sealane.kube.kinds.defaulting import defaulted
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp


class World:
    """Objects by (kind, name), all of namespace "shop"; `now` is the clock."""

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str], Raw] = {}
        self.now = 1_000_000.0
        self.log: list[str] = []
        self._numbers = itertools.count(1)

    def add(self, raw: Raw) -> Object:
        metadata = dict(raw["metadata"])
        raw = {**raw, "metadata": metadata}
        number = next(self._numbers)
        metadata.setdefault("namespace", "shop")
        metadata.setdefault("name", f"{metadata.get('generateName', '')}{number:05d}")
        metadata.setdefault("uid", f"uid-{number:05d}")
        metadata.setdefault("generation", 1)
        metadata.setdefault("creationTimestamp", timestamp(self.now))
        if raw["kind"] == "Job":
            raw = defaulted(raw)
        self.objects[raw["kind"], metadata["name"]] = raw
        return Object(raw)

    def get(self, kind: str, name: str) -> Object:
        return Object(self.objects[kind, name])

    def all(self, kind: str) -> list[Object]:
        return [Object(raw) for (its, _), raw in sorted(self.objects.items()) if its == kind]

    def change(self, kind: str, name: str, patch: Raw) -> None:
        """As a user does: a merge patch that raises the generation."""
        self._merge(kind, name, patch)
        self._merge(kind, name, {"metadata": {"generation": self.get(kind, name).metadata["generation"] + 1}})

    def carry_out(self, actions: list[Action]) -> None:
        for action in actions:
            match action:
                case Create(_, raw):
                    made = self.add(raw)
                    self.log.append(f"+{made.kind} {made.name}")
                case Patch(kind, _, name, patch, subresource):
                    if "spec" in patch and not subresource:
                        self.change(kind.kind, name, patch)
                    else:
                        self._merge(kind.kind, name, patch)
                    found = self.objects[kind.kind, name]
                    over = kind.kind != "Pod" or (found.get("status") or {}).get("phase") in ("Succeeded", "Failed")
                    if over and "deletionTimestamp" in found["metadata"] and not found["metadata"].get("finalizers"):
                        del self.objects[kind.kind, name]
                case Delete(kind, _, name, uid):
                    if (kind.kind, name) not in self.objects:
                        continue  # it was marked, and the last finalizer has gone
                    assert self.objects[kind.kind, name]["metadata"]["uid"] == uid
                    self.log.append(f"-{kind.kind} {name}")
                    if self.objects[kind.kind, name]["metadata"].get("finalizers"):
                        self._merge(kind.kind, name, {"metadata": {"deletionTimestamp": timestamp(self.now)}})
                    else:
                        del self.objects[kind.kind, name]

    def _merge(self, kind: str, name: str, patch: Raw) -> None:
        self.objects[kind, name] = merged(self.objects[kind, name], patch)

    def owned(self, kind: str, owner: Object) -> tuple[list[Object], list[Object]]:
        children = self.all(kind)
        return (
            [each for each in children if by_controller(each) == (owner.uid,)],
            [each for each in children if by_controller(each) == (orphans_of("shop"),)],
        )

    def pods(self, owner: Object) -> tuple[list[PodFacts], list[PodFacts]]:
        owned, orphans = self.owned("Pod", owner)
        return [pod_facts(each) for each in owned], [pod_facts(each) for each in orphans]

    # One step of each controller

    def step(self) -> bool:
        """Every controller plans once for everything it has; False when nobody wanted anything."""
        before = dict(self.objects)
        for deployment in self.all("Deployment"):
            owned, orphans = self.owned("ReplicaSet", deployment)
            new = deployments.Rollout(deployment, owned).new
            old_run = any(self.pods(each)[0] for each in owned if new is None or each.uid != new.uid)
            self.carry_out(deployments.plan(deployment, owned, orphans, old_run, self.now))
        for replicaset in self.all("ReplicaSet"):
            self.carry_out(replicasets.plan(replicaset, *self.pods(replicaset), self.now))
        for statefulset in self.all("StatefulSet"):
            revisions = self.owned("ControllerRevision", statefulset)[0]
            claims = self.all("PersistentVolumeClaim")
            self.carry_out(statefulsets.plan(statefulset, *self.pods(statefulset), revisions, self.now, claims))
        for daemonset in self.all("DaemonSet"):
            revisions = self.owned("ControllerRevision", daemonset)[0]
            nodes = self.all("Node")
            self.carry_out(daemonsets.plan(daemonset, *self.pods(daemonset), nodes, revisions, self.now))
        for job in self.all("Job"):
            self.carry_out(jobs.plan(job, *self.pods(job), self.now))
        for cronjob in self.all("CronJob"):
            self.carry_out(cronjobs.plan(cronjob, self.owned("Job", cronjob)[0], self.now))
        return self.objects != before

    def run_pods(self, which: Callable[[Object], bool] = lambda pod: True, *, ready: bool = True) -> None:
        """What scheduler and kubelet do: the pods that `which` picks run, and are ready or not."""
        for pod in self.all("Pod"):
            if which(pod):
                patch: Raw = {"spec": {"nodeName": pod.spec.get("nodeName") or "node-1"}}
                if pod.status.get("conditions", [{}])[0].get("status") != str(ready):
                    condition = {"type": "Ready", "status": str(ready), "lastTransitionTime": timestamp(self.now)}
                    patch["status"] = {"phase": "Running", "conditions": [condition]}
                self._merge("Pod", pod.name, patch)

    def settle(self, *, run: bool = True, seconds: float = 1.0, limit: int = 100) -> None:
        """Steps until nothing changes any more; with `run`, pods become ready as they come."""
        for _ in range(limit):
            if run:
                self.run_pods()
            if not self.step():
                return
            self.now += seconds
        raise AssertionError(f"does not settle: {self.log[-10:]}")


def merged(raw: Mapping[str, Any], patch: Mapping[str, Any]) -> Raw:
    """`raw` with a merge patch applied (RFC 7386); `raw` stays as it is."""
    result = dict(raw)
    for key, value in patch.items():
        if value is None:
            result.pop(key, None)
        elif isinstance(value, Mapping):
            there = result.get(key)
            result[key] = merged(there if isinstance(there, Mapping) else {}, value)
        else:
            result[key] = value
    return result


def workload(kind: str, name: str = "web", *, image: str = "web:1", **spec: Any) -> Raw:
    return {
        "apiVersion": "apps/v1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {
            "selector": {"matchLabels": {"app": name}},
            "template": template(name, image),
            **spec,
        },
    }


def template(name: str, image: str) -> Raw:
    return {"metadata": {"labels": {"app": name}}, "spec": {"containers": [{"name": "c", "image": image}]}}


def images(world: World) -> dict[str, str]:
    return {pod.name: pod.spec["containers"][0]["image"] for pod in world.all("Pod")}
