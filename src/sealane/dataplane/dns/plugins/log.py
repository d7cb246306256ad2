"""`log`: a line for each question. Source: https://coredns.io/plugins/log/ (its common log format)."""

from __future__ import annotations

import logging
import time
from collections.abc import Sequence
from dataclasses import dataclass

from sealane.dataplane.dns import wire
from sealane.dataplane.dns.corefile import Directive
from sealane.dataplane.dns.plugins import step

log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Log:
    zones: tuple[str, ...]

    def concerns(self, query: wire.Query) -> bool:
        return step.covered(self.zones, query.name)

    async def answer(self, query: wire.Query, onward: step.Handler) -> bytes:
        started = time.perf_counter()
        response = await onward(query)
        type_ = wire.TYPE_NAMES.get(query.type, f"TYPE{query.type}")
        rcode = wire.RCODE_NAMES.get(response[3] & 0xF, str(response[3] & 0xF))
        took = time.perf_counter() - started
        number = int.from_bytes(query.id, "big")
        log.info('%d "%s IN %s." %s %d %.6fs', number, type_, query.name, rcode, len(response), took)
        return response


def read(directive: Directive, zones: Sequence[str]) -> Log:
    return Log(step.zones(directive, directive.args[:1], zones))
