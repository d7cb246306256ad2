"""Deployments: ReplicaSets of old and new templates, and how pods move from one to the other.

A rollout is a pure function: the Deployment and its ReplicaSets in, the writes out. Its rules are those of
https://kubernetes.io/docs/concepts/workloads/controllers/deployment/ (rolling update, proportional scaling, rollback).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from sealane.controllers.actions import (
    Action,
    Again,
    Create,
    Delete,
    Patch,
    Say,
    claim,
    owner_reference,
    write_status,
)
from sealane.controllers.workloads.progress import deadline, deployment_status
from sealane.controllers.workloads.revisions import POD_TEMPLATE_HASH, same_template, template_hash
from sealane.kube.kinds import DEPLOYMENT, REPLICASET
from sealane.kube.objects import Object, Raw
from sealane.kube.selectors import LabelSelector
from sealane.kube.times import seconds

REVISION = "deployment.kubernetes.io/revision"
REVISION_HISTORY = "deployment.kubernetes.io/revision-history"
DESIRED = "deployment.kubernetes.io/desired-replicas"
MAXIMUM = "deployment.kubernetes.io/max-replicas"
_NOT_COPIED = frozenset(
    {"kubectl.kubernetes.io/last-applied-configuration", REVISION, REVISION_HISTORY, DESIRED, MAXIMUM}
)


def plan(
    deployment: Object, owned: Sequence[Object], orphans: Sequence[Object], old_pods_run: bool, now: float
) -> list[Action]:
    """ReplicaSets to make, scale and delete, and the status.

    owned: ReplicaSets whose controller is this Deployment. orphans: those of its namespace that have none.
    old_pods_run: whether any pod of an old template is still there and not over (Recreate waits for them).
    """
    selector = LabelSelector.of(deployment.spec.get("selector") or {})
    sets, actions = claim(REPLICASET, DEPLOYMENT, deployment, owned, orphans, selector.matches)
    sets = sorted((each for each in sets if not each.deleting), key=_age)
    rollout = Rollout(deployment, sets)
    if not deployment.deleting:
        rollout.advance(old_pods_run)
        actions += rollout.actions()
    created = rollout.new_name if rollout.creates else ""
    wanted, unavailable = rollout.replicas, rollout.unavailable
    status = deployment_status(
        deployment, rollout.sets, rollout.new, created, wanted=wanted, unavailable=unavailable, now=now
    )
    actions += write_status(DEPLOYMENT, deployment, status)
    wait = deadline(deployment, now)
    return [*actions, Again(wait)] if wait is not None else actions


class Rollout:
    """One step of a Deployment: sizes of its ReplicaSets, by name, as they are and as they shall be.

    sets: oldest first. new: the one with the Deployment's template, or None while there is none.
    """

    def __init__(self, deployment: Object, sets: Sequence[Object]) -> None:
        spec = deployment.spec
        self.deployment = deployment
        self.sets = list(sets)
        self.template: Mapping[str, Any] = spec.get("template") or {}
        self.replicas = int(spec.get("replicas", 1))
        strategy = spec.get("strategy") or {}
        self.rolling = (strategy.get("type") or "RollingUpdate") == "RollingUpdate"
        self.surge, self.unavailable = _bounds(strategy.get("rollingUpdate") or {}, self.replicas, self.rolling)
        self.paused = bool(spec.get("paused"))
        self.new = next((each for each in sets if same_template(each.spec.get("template") or {}, self.template)), None)
        self.old = [each for each in sets if each is not self.new]
        self.size = {each.name: _size(each) for each in sets}
        self.new_name = self.new.name if self.new is not None else self._fresh_name()
        self.revision = self._revision()
        self.creates = False

    # What happens

    def advance(self, old_pods_run: bool) -> None:
        """Decides the sizes."""
        if self.paused or self._scaled():
            self._scale()
        elif self.rolling:
            self._make_new(self._room())
            self._grow()
            self._shrink()
        else:
            self._recreate(old_pods_run)

    def _make_new(self, size: int) -> None:
        if self.new is None:
            self.creates = True
            self.size[self.new_name] = size

    def _recreate(self, old_pods_run: bool) -> None:
        for each in self.old:
            self.size[each.name] = 0
        if any(_size(each) for each in self.old) or old_pods_run:
            return
        self._make_new(self.replicas)
        self.size[self.new_name] = self.replicas

    def _room(self) -> int:
        """The size that the new ReplicaSet may have now: all pods together are at most replicas + maxSurge."""
        current = self.size.get(self.new_name, 0)
        most = self.replicas + self.surge
        total = sum(self.size.values())
        return current if total >= most else current + min(most - total, self.replicas - current)

    def _grow(self) -> None:
        current = self.size[self.new_name]
        if current > self.replicas:
            self.size[self.new_name] = self.replicas
        elif current < self.replicas and not self.creates:
            self.size[self.new_name] = self._room()

    def _shrink(self) -> None:
        """Old ReplicaSets: first pods that are not available, then others while enough stay available."""
        if not any(self.size[each.name] for each in self.old):
            return
        least = self.replicas - self.unavailable
        new_available = _available(self.new) if self.new is not None else 0
        budget = sum(self.size.values()) - least - (self.size[self.new_name] - new_available)
        if budget <= 0:
            return
        for each in self.old:
            sick = self.size[each.name] - _available(each)
            if sick > 0 and self.size[each.name]:
                cut = min(budget, sick)
                self.size[each.name] -= cut
                budget -= cut
        spare = sum(_available(each) for each in self.sets) - least
        for each in self.old:
            if spare <= 0:
                break
            cut = min(self.size[each.name], spare)
            self.size[each.name] -= cut
            spare -= cut

    def _scaled(self) -> bool:
        """Was spec.replicas changed since the ReplicaSets were last sized?"""
        for each in self.sets:
            desired = _number(each, DESIRED)
            if _size(each) > 0 and desired is not None and desired != self.replicas:
                return True
        return False

    def _scale(self) -> None:
        """Sizes follow spec.replicas; in the midst of a rollout in proportion, so that a half-way state stays so."""
        alive = [each for each in self.sets if _size(each) > 0]
        if len(alive) <= 1:
            only = alive[0] if alive else self.new or (self.old[-1] if self.old else None)
            if only is not None:
                self.size[only.name] = self.replicas
            return
        if self.new is not None and self._saturated(self.new):
            for each in self.old:
                self.size[each.name] = 0
            return
        if not self.rolling:
            return
        allowed = self.replicas + self.surge if self.replicas > 0 else 0
        to_add = allowed - sum(_size(each) for each in alive)
        # The largest first; among equals the newest when growing, the oldest when shrinking.
        order = sorted(alive, key=_age, reverse=to_add > 0)
        order.sort(key=_size, reverse=True)
        added = 0
        for each in order:
            part = self._proportion(each, to_add, added) if to_add else 0
            self.size[each.name] = _size(each) + part
            added += part
        if order:
            first = order[0]
            self.size[first.name] = max(0, self.size[first.name] + to_add - added)

    def _saturated(self, new: Object) -> bool:
        return _number(new, DESIRED) == _size(new) == _available(new) == self.replicas

    def _proportion(self, each: Object, to_add: int, added: int) -> int:
        if not _size(each) or to_add == added:
            return 0
        fraction = self._fraction(each)
        return min(fraction, to_add - added) if to_add > 0 else max(fraction, to_add - added)

    def _fraction(self, each: Object) -> int:
        if self.replicas == 0:
            return -_size(each)
        before = _number(each, MAXIMUM) or int(self.deployment.status.get("replicas") or 0)
        if not before:
            return 0
        return math.floor(_size(each) * (self.replicas + self.surge) / before + 0.5) - _size(each)

    # What is written

    def actions(self) -> list[Action]:
        actions: list[Action] = []
        if self.creates:
            size = self.size[self.new_name]
            actions.append(Create(REPLICASET, self._new_replicaset(size)))
            actions.append(self._scaled_event(self.new_name, 0, size))
        for each in self.sets:
            patch: Raw = {}
            size = self.size[each.name]
            if size != _size(each):
                patch["spec"] = {"replicas": size}
                actions.append(self._scaled_event(each.name, _size(each), size))
            wanted = self._sizes() if size or each is self.new else {}
            if each is self.new:
                wanted |= self._annotations(each)
            annotations = {name: text for name, text in wanted.items() if each.annotations.get(name) != text}
            if annotations:
                patch["metadata"] = {"annotations": annotations}
            if patch:
                actions.append(Patch(REPLICASET, each.namespace, each.name, patch))
        if (self.new is not None or self.creates) and self.deployment.annotations.get(REVISION) != str(self.revision):
            annotation = {"metadata": {"annotations": {REVISION: str(self.revision)}}}
            actions.append(Patch(DEPLOYMENT, self.deployment.namespace, self.deployment.name, annotation))
        return actions + self._forget_old()

    def _forget_old(self) -> list[Action]:
        """Deletes emptied old ReplicaSets beyond revisionHistoryLimit (10), the lowest revision first."""
        limit = self.deployment.spec.get("revisionHistoryLimit", 10)
        idle = [
            each
            for each in self.old
            if self.size[each.name] == 0 == _size(each)
            and not each.status.get("replicas")
            and int(each.metadata.get("generation") or 0) <= int(each.status.get("observedGeneration") or 0)
        ]
        idle.sort(key=lambda each: _number(each, REVISION) or 0)
        if self.paused:
            return []
        return [Delete(REPLICASET, each.namespace, each.name, each.uid) for each in idle[: max(0, len(idle) - limit)]]

    def _scaled_event(self, name: str, before: int, after: int) -> Say:
        way = "up" if after > before else "down"
        return Say("Normal", "ScalingReplicaSet", f"Scaled {way} replica set {name} from {before} to {after}")

    def _revision(self) -> int:
        """Of the current template: one more than any other, unless it is the highest already."""
        highest_old = max((_number(each, REVISION) or 0 for each in self.old), default=0)
        own = _number(self.new, REVISION) if self.new is not None else None
        return own if own is not None and own > highest_old else highest_old + 1

    def _sizes(self) -> dict[str, str]:
        return {DESIRED: str(self.replicas), MAXIMUM: str(self.replicas + self.surge)}

    def _annotations(self, new: Object | None) -> dict[str, str]:
        found = {name: text for name, text in self.deployment.annotations.items() if name not in _NOT_COPIED}
        found[REVISION] = str(self.revision)
        before = new.annotations.get(REVISION) if new is not None else None
        if new is not None and before and before != str(self.revision):
            history = new.annotations.get(REVISION_HISTORY)
            found[REVISION_HISTORY] = f"{history},{before}" if history else before
        return found

    def _fresh_name(self) -> str:
        salt = 0
        while (name := f"{self.deployment.name}-{template_hash(self.template, salt)}") in self.size:
            salt += 1
        return name

    def _new_replicaset(self, size: int) -> Raw:
        deployment = self.deployment
        hash_ = self.new_name.removeprefix(f"{deployment.name}-")
        metadata = self.template.get("metadata") or {}
        labels = {**(metadata.get("labels") or {}), POD_TEMPLATE_HASH: hash_}
        selector = deployment.spec.get("selector") or {}
        spec: Raw = {
            "replicas": size,
            "selector": {
                **selector,
                "matchLabels": {**(selector.get("matchLabels") or {}), POD_TEMPLATE_HASH: hash_},
            },
            "template": {**self.template, "metadata": {**metadata, "labels": labels}},
        }
        if deployment.spec.get("minReadySeconds"):
            spec["minReadySeconds"] = deployment.spec["minReadySeconds"]
        return {
            "apiVersion": REPLICASET.api_version,
            "kind": REPLICASET.kind,
            "metadata": {
                "name": self.new_name,
                "namespace": deployment.namespace,
                "labels": labels,
                "annotations": {**self._annotations(None), **self._sizes()},
                "ownerReferences": [owner_reference(DEPLOYMENT, deployment)],
            },
            "spec": spec,
        }


def scaled_value(value: int | str | None, total: int, *, up: bool) -> int:
    """A number, or a percentage of `total` rounded up or down. Raises ValueError."""
    if isinstance(value, int):
        return value
    if value is None:
        return 0
    if not value.endswith("%"):
        raise ValueError(f"{value!r} is neither a number nor a percentage such as 25%")
    part = int(value[:-1]) * total
    return -(-part // 100) if up else part // 100


def _bounds(rolling: Mapping[str, Any], replicas: int, is_rolling: bool) -> tuple[int, int]:
    """maxSurge and maxUnavailable as numbers. Both zero cannot move, so one may then be unavailable."""
    if not is_rolling:
        return 0, 0
    surge = scaled_value(rolling.get("maxSurge", "25%"), replicas, up=True)
    unavailable = scaled_value(rolling.get("maxUnavailable", "25%"), replicas, up=False)
    if surge == unavailable == 0:
        unavailable = 1
    return surge, min(unavailable, replicas)


def _size(replicaset: Object) -> int:
    return int(replicaset.spec.get("replicas", 1))


def _available(replicaset: Object) -> int:
    """The pods that stay available when the ReplicaSet has come down to its size, which its status may not show yet."""
    return min(_size(replicaset), int(replicaset.status.get("availableReplicas") or 0))


def _age(replicaset: Object) -> tuple[float, str]:
    return seconds(replicaset.metadata.get("creationTimestamp")), replicaset.name


def _number(replicaset: Object | None, annotation: str) -> int | None:
    text = replicaset.annotations.get(annotation) if replicaset is not None else None
    return int(text) if text and text.isdecimal() else None
