"""Answers to questions about the cluster's own names."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from typing import Literal

from sealane.network.addresses import CLUSTER_DOMAIN
from sealane.network.names.records import Record, ZoneData, address_record

Outcome = Literal["answer", "no data", "no such name", "not ours"]


@dataclass(frozen=True, slots=True)
class Answer:
    """outcome: "no data" when the name exists without such records (NOERROR), "no such name" is NXDOMAIN,
    "not ours" is for a server upstream.

    records: those of the asked type, or the CNAME in their place. additional: addresses of SRV targets.
    """

    outcome: Outcome
    records: tuple[Record, ...] = ()
    additional: tuple[Record, ...] = ()


NO_DATA = Answer("no data")
NO_SUCH_NAME = Answer("no such name")
NOT_OURS = Answer("not ours")


class Zone:
    """The records of a cluster by name. Pure of I/O; `change` costs what the change holds, not the zone.

    pods "insecure": every dashed address under NAMESPACE.pod.DOMAIN is answered with itself, as kubeadm configures
    CoreDNS; "disabled": none is. serial: of the zone, which grows with each change.
    """

    def __init__(
        self,
        domain: str = CLUSTER_DOMAIN,
        pods: Literal["insecure", "disabled"] = "insecure",
        serial: int = 0,
    ) -> None:
        self.domain = domain
        self.pods = pods
        self.serial = serial
        self._suffix = f".{domain}"
        self._pod_suffix = f".pod.{domain}"
        self._records: dict[
            str, dict[Record, int]
        ] = {}  # Two headless Services may have one PTR record each for an address.
        self._exists: dict[str, int] = {domain: 1}

    @classmethod
    def of(cls, data: Iterable[ZoneData], domain: str = CLUSTER_DOMAIN) -> Zone:
        zone = cls(domain)
        for item in data:
            zone.change(None, item)
        return zone

    def change(self, old: ZoneData | None, new: ZoneData | None) -> set[str]:
        """Puts `new` in the place of `old` and returns every name whose answer may differ now."""
        self.serial += 1
        old, new = old or ZoneData(), new or ZoneData()
        touched = {record.name for record in old.records} | {record.name for record in new.records}
        touched.update(old.empty, new.empty)
        for record in new.records:
            held = self._records.setdefault(record.name, {})
            held[record] = held.get(record, 0) + 1
            self._count(record.name, 1, touched)
        for name in new.empty:
            self._count(name, 1, touched)
        for record in old.records:
            held = self._records[record.name]
            held[record] -= 1
            if not held[record]:
                del held[record]
                if not held:
                    del self._records[record.name]
            self._count(record.name, -1, touched)
        for name in old.empty:
            self._count(name, -1, touched)
        return touched

    def lookup(self, name: str, type_: str) -> Answer:
        """name: lower case, without the final dot. type_: "A", "SRV", …, or "ANY"."""
        held = self._records.get(name)
        if held is not None:
            return self._from(held, type_)
        if not self.covers(name):
            return NOT_OURS
        if name.endswith(self._pod_suffix) and self.pods == "insecure":
            return self._pod(name, type_)
        return NO_DATA if name in self._exists else NO_SUCH_NAME

    def covers(self, name: str) -> bool:
        return name == self.domain or name.endswith(self._suffix)

    def records(self, zone: str) -> Iterator[Record]:
        """All records at and below the name `zone`, the domain's or a reverse one, as a transfer of it lists them."""
        suffix = f".{zone}" if zone else ""
        for name, held in self._records.items():
            if name == zone or name.endswith(suffix):
                yield from sorted(held)

    def _from(self, held: Iterable[Record], type_: str) -> Answer:
        if type_ == "ANY":
            return Answer("answer", tuple(sorted(held)))
        records = tuple(sorted(record for record in held if record.type in (type_, "CNAME")))
        if not records:
            return NO_DATA
        additional: dict[Record, None] = {}
        for record in records:
            if record.type == "SRV":
                target = record.data.rpartition(" ")[2].rstrip(".")
                found = self._records.get(target, ())
                additional.update((other, None) for other in sorted(found) if other.type in ("A", "AAAA"))
        return Answer("answer", records, tuple(additional))

    def _pod(self, name: str, type_: str) -> Answer:
        """Source: https://coredns.io/plugins/kubernetes/ `pods insecure`; the namespace must exist."""
        label, _, rest = name.partition(".")
        if rest not in self._exists or rest.count(".") != self._pod_suffix.count("."):
            return NO_DATA if name in self._exists else NO_SUCH_NAME
        address = undashed(label)
        if address is None:
            return NO_SUCH_NAME
        record = address_record(name, address)
        return Answer("answer", (record,)) if type_ in (record.type, "ANY") else NO_DATA

    def _count(self, name: str, step: int, touched: set[str]) -> None:
        """A name exists while it or one below it holds something (RFC 8020)."""
        while name.endswith(self._suffix):
            count = self._exists.get(name, 0) + step
            if count:
                self._exists[name] = count
            else:
                del self._exists[name]
            if count in (0, step):
                touched.add(name)
            name = name.partition(".")[2]


def undashed(label: str) -> str | None:
    """The address that a pod's label stands for; None when it is none."""
    if label.count("-") == 3 and "--" not in label:
        try:
            return str(IPv4Address(label.replace("-", ".")))
        except ValueError:
            return None
    try:
        return str(IPv6Address(label.replace("-", ":")))
    except ValueError:
        return None
