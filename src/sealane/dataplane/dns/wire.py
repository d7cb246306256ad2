"""Queries and answers as bytes (RFC 1035, EDNS0: RFC 6891).

An answer's records name their owner by a pointer into the question, never into one another, so the same bytes can be
put in any order, under a question in any case, and be left out from the end.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Literal

from sealane.network.names import Record

if TYPE_CHECKING:  # Imported where a message of others is taken apart: it costs the start of the process some 40 ms.
    import dns.message
    import dns.rrset

NOERROR, FORMERR, SERVFAIL, NXDOMAIN, NOTIMP, REFUSED, BADVERS = 0, 1, 2, 3, 4, 5, 16
TYPES = {
    "A": 1,
    "NS": 2,
    "CNAME": 5,
    "SOA": 6,
    "PTR": 12,
    "HINFO": 13,
    "MX": 15,
    "TXT": 16,
    "AAAA": 28,
    "SRV": 33,
    "NAPTR": 35,
    "DS": 43,
    "RRSIG": 46,
    "NSEC": 47,
    "DNSKEY": 48,
    "SVCB": 64,
    "HTTPS": 65,
    "IXFR": 251,
    "AXFR": 252,
    "ANY": 255,
}
TRANSFERS = (TYPES["IXFR"], TYPES["AXFR"])
TYPE_NAMES = {number: name for name, number in TYPES.items()}
RCODES = {
    "NOERROR": 0,
    "FORMERR": 1,
    "SERVFAIL": 2,
    "NXDOMAIN": 3,
    "NOTIMP": 4,
    "REFUSED": 5,
    "YXDOMAIN": 6,
    "YXRRSET": 7,
    "NXRRSET": 8,
    "NOTAUTH": 9,
    "NOTZONE": 10,
    "BADVERS": 16,
}
RCODE_NAMES = {number: name for name, number in RCODES.items()}
OPT, IN = 41, 1
MAX_MESSAGE = 0xFFFF
"""The longest message in bytes (RFC 1035, 4.2.2)."""
QR, AA, TC, RD, RA, CD = 0x8000, 0x0400, 0x0200, 0x0100, 0x0080, 0x0010
QUESTION = 12
"""Offset of the question: right after the header."""
PLAIN_SIZE = 512
OWN_SIZE = 1232
"""The UDP size we announce (DNS flag day 2020)."""
LARGEST_SIZE = 4096


class Malformed(ValueError):
    """A packet that cannot be read. rcode: what to answer, None for not at all."""

    def __init__(self, message: str, rcode: int | None = FORMERR) -> None:
        super().__init__(message)
        self.rcode = rcode


@dataclass(frozen=True, slots=True)
class Client:
    """The client that asks. size: of the packet, in bytes."""

    address: str = ""
    port: int = 0
    protocol: Literal["udp", "tcp"] = "udp"
    size: int = 0


@dataclass(frozen=True, slots=True)
class Query:
    """One question. name: lower case, labels joined by dots; question: its bytes as they came, type and class included.

    udp_size: the size that the client announced by EDNS0, None without EDNS0. plain: nothing in the packet but header,
    question and an OPT record without options, so equal packets (but for the ID) get equal answers. refusal: what to
    answer to a question that can be read and yet not be answered, else NOERROR. options: of EDNS0, to be sent on: code
    and data. trail: gets the name of the plugin that answered.
    """

    id: bytes
    flags: int
    name: str
    type: int
    question: bytes
    udp_size: int | None
    dnssec_ok: bool
    plain: bool
    refusal: int = NOERROR
    client: Client = Client()
    options: tuple[tuple[int, bytes], ...] = ()
    trail: list[str] = field(default_factory=list, compare=False)

    @property
    def type_name(self) -> str:
        return TYPE_NAMES.get(self.type, f"TYPE{self.type}")

    @property
    def limit(self) -> int:
        """The longest UDP answer, in bytes."""
        return PLAIN_SIZE if self.udp_size is None else min(max(self.udp_size, PLAIN_SIZE), LARGEST_SIZE)


@dataclass(frozen=True, slots=True)
class Sections:
    """The sections of an answer, each record already encoded for one question."""

    rcode: int = NOERROR
    answer: tuple[bytes, ...] = ()
    authority: tuple[bytes, ...] = ()
    additional: tuple[bytes, ...] = ()
    authoritative: bool = True


def parse(packet: bytes, client: Client = Client()) -> Query:
    """Raises Malformed."""
    if len(packet) < QUESTION:
        raise Malformed("shorter than a header", None)
    flags, questions, answers, authorities, additionals = struct.unpack_from("!5H", packet, 2)
    if flags & QR:
        raise Malformed("not a query", None)
    if flags & 0x7800:
        raise Malformed("not a standard query", NOTIMP)
    if questions != 1:
        raise Malformed("not one question")
    name, end = read_name(packet, QUESTION)
    if end + 4 > len(packet):
        raise Malformed("question cut short")
    type_, class_ = struct.unpack_from("!HH", packet, end)
    refusal = NOERROR if class_ == IN else REFUSED
    end += 4
    question = packet[QUESTION:end]
    udp_size, dnssec_ok, plain = None, False, not (answers or authorities) and additionals <= 1
    for _ in range(answers + authorities + additionals):
        _, end = read_name(packet, end)
        if end + 10 > len(packet):
            raise Malformed("record cut short")
        record_type, size, ttl, length = struct.unpack_from("!HHIH", packet, end)
        end += 10 + length
        if end > len(packet):
            raise Malformed("record cut short")
        if record_type == OPT:
            if udp_size is not None:
                raise Malformed("two OPT records")
            if ttl >> 16 & 0xFF:  # A version of EDNS that is not known.
                refusal = BADVERS
            udp_size, dnssec_ok = size, bool(ttl & 0x8000)
        plain = plain and record_type == OPT and not length
    plain = plain and end == len(packet)
    return Query(packet[:2], flags, name, type_, question, udp_size, dnssec_ok, plain, refusal, client)


def read_name(packet: bytes, offset: int) -> tuple[str, int]:
    """The name at `offset`, lower case, and the offset after it. Raises Malformed."""
    labels: list[str] = []
    end = 0
    total = 0
    while True:
        if offset >= len(packet):
            raise Malformed("name cut short")
        length = packet[offset]
        if length >= 0xC0:
            if offset + 2 > len(packet):
                raise Malformed("name cut short")
            end = end or offset + 2
            target = (length & 0x3F) << 8 | packet[offset + 1]
            if target >= offset:
                raise Malformed("name points forward")
            offset = target
            continue
        if length > 63:
            raise Malformed("bad label")
        offset += 1
        if not length:
            return ".".join(labels), end or offset
        total += length + 1
        if total > 254 or offset + length > len(packet):
            raise Malformed("name too long")
        # Latin-1 keeps every byte apart; names of the cluster are ASCII.
        labels.append(packet[offset : offset + length].lower().decode("latin-1"))
        offset += length


def name_bytes(name: str) -> bytes:
    """ "web.shop" as length-prefixed labels, with the root at the end. Raises ValueError for what is no label."""
    wire = bytearray()
    for label in name.rstrip(".").split(".") if name.rstrip(".") else ():
        raw = label.encode("latin-1")
        if not 0 < len(raw) < 64:
            raise ValueError(f"{name!r} is not a DNS name")
        wire.append(len(raw))
        wire += raw
    wire.append(0)
    return bytes(wire)


def record_bytes(record: Record, question: str, ttl: int | None = None) -> bytes:
    """`record` as part of an answer to a question about the name `question`. ttl: in place of the record's own."""
    data = _data(record)
    fixed = struct.pack("!HHIH", TYPES[record.type], IN, record.ttl if ttl is None else ttl, len(data))
    return _owner(record.name, question) + fixed + data


def rrset_records(rrset: dns.rrset.RRset) -> list[bytes]:
    """Records of a message from elsewhere, written without pointers into it."""
    owner = name_bytes(rrset.name.to_text(omit_final_dot=True))
    return [
        owner + struct.pack("!HHIH", rrset.rdtype, IN, rrset.ttl, len(data)) + data
        for data in (rdata.to_wire() for rdata in rrset)
        if data is not None
    ]


def sections(message: bytes) -> Sections:
    """The sections of a message, its records without pointers. Raises Malformed."""
    return message_sections(read_message(message))


def read_message(message: bytes) -> dns.message.Message:
    """Raises Malformed."""
    import dns.exception
    import dns.message

    try:
        return dns.message.from_wire(message, ignore_trailing=True)
    except dns.exception.DNSException as error:
        raise Malformed(str(error)) from error


def message_sections(message: dns.message.Message) -> Sections:
    """The records of a message, to be put into another."""
    answer, authority, additional = (
        tuple(record for rrset in part for record in rrset_records(rrset))
        for part in (message.answer, message.authority, message.additional)
    )
    return Sections(int(message.rcode()), answer, authority, additional, bool(message.flags & AA))


def respond(query: Query, sections: Sections, limit: int | None = None, turn: int = 0) -> bytes:
    """The answer to `query`.

    limit: longest answer in bytes, None over TCP; what does not fit is left out, and TC set when it is from the answer
    itself. turn: how far the answer's records are rotated, which spreads load over clients that take the first.
    """
    answer = sections.answer
    if len(answer) > 1:
        turn %= len(answer)
        answer = answer[turn:] + answer[:turn]
    authority, additional = sections.authority, sections.additional
    opt = b"" if query.udp_size is None else _opt(query, sections.rcode)
    flags = QR | (AA if sections.authoritative else 0) | query.flags & (RD | CD) | RA | sections.rcode & 0xF
    if limit is not None:
        room = limit - QUESTION - len(query.question) - len(opt)
        answer, room, cut = _fitting(answer, room)
        authority, room, _ = _fitting(authority, room) if not cut else ((), 0, True)
        additional, room, _ = _fitting(additional, room) if not cut else ((), 0, True)
        flags |= TC if cut else 0
    counts = struct.pack("!5H", flags, 1, len(answer), len(authority), len(additional) + bool(opt))
    return b"".join((query.id, counts, query.question, *answer, *authority, *additional, opt))


def within_tcp(query: Query, message: bytes) -> bytes:
    """An answer as it can be sent over TCP: of one that is longer than can be said, the records that fit, and TC."""
    if len(message) <= MAX_MESSAGE:
        return message
    flags, _, count = struct.unpack_from("!3H", message, 2)
    opt = b"" if query.udp_size is None else _opt(query, flags & 0xF)
    kept, end = 0, QUESTION + len(query.question)
    while kept < count and (after := _after_record(message, end)) <= MAX_MESSAGE - len(opt):
        kept, end = kept + 1, after
    flags |= TC if kept < count else 0
    return b"".join((message[:2], struct.pack("!5H", flags, 1, kept, 0, bool(opt)), message[QUESTION:end], opt))


def _after_record(message: bytes, start: int) -> int:
    """Where the record that begins at `start` ends."""
    while 0 < message[start] < 0xC0:
        start += 1 + message[start]
    start += 2 if message[start] else 1
    return start + 10 + int.from_bytes(message[start + 8 : start + 10], "big")


def refuse(packet: bytes, rcode: int) -> bytes:
    """An answer to a packet that could not be read: its header alone."""
    flags = QR | struct.unpack_from("!H", packet, 2)[0] & (0x7800 | RD) | rcode
    return packet[:2] + struct.pack("!5H", flags, 0, 0, 0, 0)


def _opt(query: Query, rcode: int) -> bytes:
    flags = rcode >> 4 << 24 | (0x8000 if query.dnssec_ok else 0)
    return b"\0" + struct.pack("!HHIH", OPT, OWN_SIZE, flags, 0)


def _fitting(records: Sequence[bytes], room: int) -> tuple[tuple[bytes, ...], int, bool]:
    """As many of the first records as fit, the room that is left, and whether some did not."""
    for index, record in enumerate(records):
        if len(record) > room:
            return tuple(records[:index]), room, True
        room -= len(record)
    return tuple(records), room, False


def _owner(name: str, question: str) -> bytes:
    """`name` with its longest suffix that the question ends with replaced by a pointer."""
    labels, asked = name.split("."), question.split(".")
    common = 0
    while common < min(len(labels), len(asked)) and labels[-1 - common] == asked[-1 - common]:
        common += 1
    if not common:
        return name_bytes(name)
    offset = QUESTION + sum(len(label) + 1 for label in asked[: len(asked) - common])
    own = labels[: len(labels) - common]
    return name_bytes(".".join(own))[:-1] + struct.pack("!H", 0xC000 | offset)


def _data(record: Record) -> bytes:
    text = record.data
    match record.type:
        case "A":
            return socket.inet_pton(socket.AF_INET, text)
        case "AAAA":
            return socket.inet_pton(socket.AF_INET6, text)
        case "CNAME" | "PTR" | "NS":
            return name_bytes(text)
        case "SRV":
            priority, weight, port, target = text.split()
            return struct.pack("!HHH", int(priority), int(weight), int(port)) + name_bytes(target)
        case "SOA":
            server, mailbox, *numbers = text.split()
            return name_bytes(server) + name_bytes(mailbox) + struct.pack("!5I", *map(int, numbers))
        case "TXT":
            raw = text.strip('"').encode()
            return b"".join(
                bytes([len(part)]) + part for part in (raw[at : at + 255] for at in range(0, len(raw) or 1, 255))
            )
