"""The location of an etcd, as given to `--store`."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

import msgspec

SCHEME = "etcd://"
_QUERY = frozenset({"ca", "cert", "key", "user", "password-file"})


class Location(msgspec.Struct, frozen=True):
    """What `etcd://HOST:PORT[,HOST:PORT…][/PREFIX][?ca=FILE&cert=FILE&key=FILE&user=NAME&password-file=FILE]` says."""

    endpoints: tuple[str, ...]
    prefix: str
    ca: str = ""
    certificate: str = ""
    key: str = ""
    user: str = ""
    password_file: str = ""

    @property
    def target(self) -> str:
        """As gRPC names servers."""
        return self.endpoints[0] if len(self.endpoints) == 1 else f"ipv4:{','.join(self.endpoints)}"

    @classmethod
    def parse(cls, url: str, cluster: str) -> Location:
        """Raises ValueError."""
        parts = urlsplit(url)
        if f"{parts.scheme}://" != SCHEME or not parts.netloc:
            raise ValueError(f"{url!r} is not etcd://HOST:PORT[,HOST:PORT…][/PREFIX][?ca=FILE&cert=FILE&key=FILE]")
        if "@" in parts.netloc:
            raise ValueError("a password in a URL can be seen by others: use ?user=NAME&password-file=FILE")
        options = dict(parse_qsl(parts.query, keep_blank_values=True))
        unknown = sorted(options.keys() - _QUERY)
        if unknown:
            raise ValueError(f"{url!r}: unknown {', '.join(unknown)}; there are {', '.join(sorted(_QUERY))}")
        if bool(options.get("cert")) != bool(options.get("key")):
            raise ValueError(f"{url!r}: cert and key go together")
        endpoints = tuple(each if _has_port(each) else f"{each}:2379" for each in parts.netloc.split(","))
        return cls(
            endpoints,
            f"{unquote(parts.path).rstrip('/') or '/sealane'}/{cluster}/",
            options.get("ca", ""),
            options.get("cert", ""),
            options.get("key", ""),
            options.get("user", ""),
            options.get("password-file", ""),
        )


def _has_port(endpoint: str) -> bool:
    return ":" in endpoint.rpartition("]")[2]
