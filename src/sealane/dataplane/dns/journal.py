"""A server's lines in its container's log, in the form of CoreDNS: lines of the plugins `log` and `errors`.

In the format of container runtimes, a time before each line:
https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
from datetime import UTC, datetime

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.plugins.errors import Consolidate, Errors

log = logging.getLogger(__name__)

WRITE_SECONDS = 0.1
MAX_LINES = 10_000
"""Lines that wait to be written; a server that is asked more than its disk takes loses the rest."""


class Journal:
    """path: of the container's log, "" for none. Lines are gathered for a moment: one write for many questions."""

    def __init__(self, path: str = "") -> None:
        self._path = path
        self._waiting: list[str] = []
        self._like: dict[Consolidate, int] = {}

    def add(self, line: str) -> None:
        if not self._path:
            log.debug("%s", line)
            return
        if not self._waiting:
            asyncio.get_running_loop().call_later(WRITE_SECONDS, self.write)
        if len(self._waiting) < MAX_LINES:
            self._waiting.append(line)

    def failed(self, errors: Errors | None, query: wire.Query, problem: object) -> None:
        """A question that could not be answered, said by the plugin `errors` when there is one."""
        message = f"{query.name}. {query.type_name}: {problem}"
        log.debug("%s", message)
        if errors is None:
            return
        rule = errors.rule(str(problem))
        if rule is None:
            self.add(f"[ERROR] plugin/errors: {wire.SERVFAIL} {message}")
            return
        if rule not in self._like:
            self._like[rule] = 0
            asyncio.get_running_loop().call_later(rule.seconds, self._consolidated, rule)
            if rule.show_first:
                self.add(f"[{rule.level}] plugin/errors: {wire.SERVFAIL} {message}")
        self._like[rule] += 1

    def write(self) -> None:
        """All that waits, now."""
        waiting, self._waiting = self._waiting, []
        if waiting and self._path:
            now = f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%S.%f}000Z"
            with contextlib.suppress(OSError), open(self._path, "a", encoding="utf-8", errors="replace") as file:
                file.writelines(f"{now} stdout F {line}\n" for line in waiting)

    def _consolidated(self, rule: Consolidate) -> None:
        count = self._like.pop(rule)
        if count > 1 or not rule.show_first:
            like = f"{count} errors like '{rule.pattern.pattern}' occurred in last {rule.seconds:g}s"
            self.add(f"[{rule.level}] plugin/errors: {like}")
