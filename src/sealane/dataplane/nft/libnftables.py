"""libnftables in process: text commands, one transaction each. Source: nftables/libnftables.h, libnftables(3)."""

from __future__ import annotations

import ctypes
import json
import os
import re
import socket
from collections.abc import Iterator
from functools import cache
from typing import Any

_OUTPUT_STATELESS, _OUTPUT_JSON, _OUTPUT_TERSE = 1 << 2, 1 << 4, 1 << 11
_SO_SNDBUFFORCE = 32
_NAMES = (
    "libnftables.so.1",
    "/usr/lib/x86_64-linux-gnu/libnftables.so.1",
    "/usr/lib/aarch64-linux-gnu/libnftables.so.1",
)


class NftError(Exception):
    """The kernel or the parser refused a command; nothing of that transaction was done. The message quotes the line."""


class NftMissing(NftError):
    """libnftables is not installed."""


@cache
def _library() -> ctypes.CDLL:
    for name in _NAMES:
        try:
            library = ctypes.CDLL(name)
        except OSError:
            continue
        library.nft_ctx_new.restype = ctypes.c_void_p
        library.nft_ctx_new.argtypes = [ctypes.c_uint32]
        library.nft_ctx_free.argtypes = [ctypes.c_void_p]
        for function in ("nft_run_cmd_from_buffer", "nft_run_cmd_from_filename"):
            getattr(library, function).argtypes = [ctypes.c_void_p, ctypes.c_char_p]
        library.nft_ctx_output_set_flags.argtypes = [ctypes.c_void_p, ctypes.c_uint]
        for function in ("nft_ctx_buffer_output", "nft_ctx_buffer_error"):
            getattr(library, function).argtypes = [ctypes.c_void_p]
        for function in ("nft_ctx_get_output_buffer", "nft_ctx_get_error_buffer"):
            getattr(library, function).argtypes = [ctypes.c_void_p]
            getattr(library, function).restype = ctypes.c_char_p
        return library
    raise NftMissing("libnftables.so.1 was not found: run `apt-get install libnftables1`, or install nftables")


class Nftables:
    """A context whose netlink socket lives in the network namespace of the thread that makes it.

    Make, use and close it in one `NamespaceThread`. The GIL is released while the kernel works.

    most: bytes of netlink that fit into one transaction; None when there is no limit.
    """

    def __init__(self) -> None:
        self._library = _library()
        self._context: int | None = self._library.nft_ctx_new(0)
        if not self._context:
            raise NftError("libnftables gave no context")
        self.most = _most()
        self._library.nft_ctx_buffer_output(self._context)
        self._library.nft_ctx_buffer_error(self._context)

    def run(self, commands: str) -> str:
        """Runs all commands as one transaction; returns what they print. Raises NftError."""
        text = commands.encode()
        if self._library.nft_run_cmd_from_buffer(self._context, text) != 0:
            self._read_errors()
            self._run_as_file(text)
        output: bytes = self._library.nft_ctx_get_output_buffer(self._context) or b""
        return output.decode()

    def fits(self, commands: str) -> bool:
        """Whether they are sure to fit into one transaction."""
        return self.most is None or len(commands) * _RULE_WEIGHT <= self.most

    def run_in_parts(self, commands: str) -> None:
        """As one transaction if it fits, else as several, cut between lines. Raises NftError; earlier parts stand."""
        for part in parts(commands, self.most):
            self.run(part)

    def _run_as_file(self, text: bytes) -> None:
        """The same once more, from a file: only then do errors quote the line they are about."""
        file = os.memfd_create("nft")
        try:
            with open(file, "wb", closefd=False) as writer:
                writer.write(text)
            os.lseek(file, 0, os.SEEK_SET)
            if self._library.nft_run_cmd_from_filename(self._context, f"/proc/self/fd/{file}".encode()) != 0:
                raise NftError(_readable(self._read_errors()))
        finally:
            os.close(file)

    def _read_errors(self) -> str:
        error: bytes = self._library.nft_ctx_get_error_buffer(self._context) or b""
        return error.decode(errors="replace")

    def json(self, command: str) -> list[dict[str, Any]]:
        """The objects that a list command prints, as in libnftables-json(5)."""
        found: list[dict[str, Any]] = json.loads(self._run_with(_OUTPUT_JSON, command))["nftables"]
        return [entry for entry in found if "metainfo" not in entry]

    def terse(self, command: str) -> str:
        """The output of a list command without the elements of sets and without counts."""
        return self._run_with(_OUTPUT_STATELESS | _OUTPUT_TERSE, command)

    def _run_with(self, flags: int, command: str) -> str:
        self._library.nft_ctx_output_set_flags(self._context, flags)
        try:
            return self.run(command)
        finally:
            self._library.nft_ctx_output_set_flags(self._context, 0)

    def close(self) -> None:
        if self._context:
            self._library.nft_ctx_free(self._context)
            self._context = None


def parts(commands: str, most: int | None) -> Iterator[str]:
    """Whole lines, as many at once as make no more than `most` bytes of netlink (a longer line goes alone).

    A block of several lines ("table … { … }") is not cut when it comes first and fits.
    """
    if most is None or len(commands) * _RULE_WEIGHT <= most:
        yield commands
        return
    part: list[str] = []
    size = 0.0
    for line in commands.splitlines(keepends=True):
        weight = len(line) * (_ELEMENT_WEIGHT if line[:12] in ("add element ", "delete eleme") else _RULE_WEIGHT)
        if part and size + weight > most:
            yield "".join(part)
            part, size = [], 0
        part.append(line)
        size += weight
    yield "".join(part)


# Bytes of netlink for each character of text, at most: single addresses for elements, short matches for rules.
_ELEMENT_WEIGHT = 2.5
_RULE_WEIGHT = 6.0


def _most() -> int | None:
    """Root raises the send buffer of a netlink socket as it needs. In a user namespace its default size (the host's
    net.core.wmem_default) holds, and a transaction that does not fit is refused with "Message too long"."""
    with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW) as probe:
        usual = probe.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF)
        try:
            probe.setsockopt(socket.SOL_SOCKET, _SO_SNDBUFFORCE, usual)
        except OSError:
            return usual
    return None


def _readable(message: str, limit: int = 300) -> str:
    """The first three complaints, each with the line it is about, without paths and markers, long lines cut."""
    lines = [re.sub(r"^/proc/self/fd/\d+:", "line ", line) for line in message.splitlines() if line.strip(" ^~\t")]
    return "; ".join(line if len(line) <= limit else f"{line[:limit]}…" for line in lines[:6]) or "nftables failed"
