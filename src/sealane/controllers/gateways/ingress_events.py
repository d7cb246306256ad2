"""Events about what an Ingress asks for that it does not get. Nothing is silently ignored."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from sealane.kube.objects import Key
from sealane.network.routes.ingress.bound import BoundIngress
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Change, Collection
from sealane.reactive.recorder import Recorder

PATIENCE = 5.0
"""Seconds for which a Service or a Secret may be missing before that is worth a word: they may come after."""


class IngressEvents:
    """Says what there is to say of Ingresses that are served here. Needs a running event loop from `start` on."""

    def __init__(self, recorder: Recorder, sources: Sources, ingresses: Collection[Key, BoundIngress]) -> None:
        self._recorder = recorder
        self._sources = sources
        self._ingresses = ingresses
        self._waiting: dict[Key, asyncio.TimerHandle] = {}

    def start(self) -> None:
        self._ingresses.subscribe(self._changed)

    def stop(self) -> None:
        for waiting in self._waiting.values():
            waiting.cancel()
        self._waiting.clear()

    def _changed(self, changes: Sequence[Change[Key, BoundIngress]]) -> None:
        loop = asyncio.get_running_loop()
        for change in changes:
            before = change.old.problems if change.old is not None else ()
            problems = change.new.problems if change.new is not None else ()
            if problems != before:
                if waiting := self._waiting.pop(change.key, None):
                    waiting.cancel()
                if problems:
                    self._waiting[change.key] = loop.call_later(PATIENCE, self._say_problems, change.key)
            said = change.old.remarks if change.old is not None else ()
            remarks = change.new.remarks if change.new is not None else ()
            if remarks and remarks != said:
                self._say(change.key, "AnnotationIgnored", remarks)

    def _say_problems(self, key: Key) -> None:
        del self._waiting[key]
        found = self._ingresses.get(key)
        if found is not None:
            self._say(key, "NotServed", found.problems)

    def _say(self, key: Key, reason: str, texts: Sequence[str]) -> None:
        about = self._sources.ingresses.get(key)
        if about is not None:
            for text in texts:
                self._recorder.record(about, "Warning", reason, text)
