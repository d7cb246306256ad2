"""What `agree_routes` draws: a Gateway with listeners of every protocol, routes of every kind, and what is asked.

A set is written as the API would take it. Its objects are in a namespace of its own, some in a second one beside it.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any

Raw = dict[str, Any]

GROUP = "gateway.networking.k8s.io"
GATEWAY = "edge"
PODS = ("a", "b", "c", "d", "m")
"""Each is behind the Service of its name; "d" is in the second namespace, "m" gets copies of requests."""
HTTP, OTHER_HTTP, SECURE, LINES, DATAGRAMS = 80, 8080, 443, 7000, 7001
HOSTS = ("a.test", "b.test", "x.b.test", "y.b.test", "*.test", "*.b.test", "*.y.b.test")
ASKED = (
    *("a.test", "A.test:80", "b.test", "x.b.test", "y.b.test", "z.y.b.test", "c.test", "X.B.Test", "other", "test"),
    *("[::1]", "10.0.0.1:8080"),
)
SERVER_NAMES = ("a.test", "b.test", "x.b.test", "y.b.test", "z.y.b.test", "c.test", "X.B.Test", "other", "")
PATHS = ("/", "/p", "/p/", "/p/q", "/p/q/", "/P", "/pq", "/p/q/r", "/p%20q", "/p;q=1", "/s.T/M")
ASKED_PATHS = (*PATHS, "/s.T/N", "/s.T", "/u.V/M", "//p", "/p//q", "/p/../q", "/p/./q", "/x/../p", "/p/%71", "/p%2Fq")
PATTERNS = ("/p.*", "/[pq]", "/p/q/?", "(?i)/p", ".*q", "/p|/s.T/M")
QUERIES = ("", "", "?v=1", "?v=2&w=1", "?w=1&v=2", "?v=1&v=2", "?v", "?v=", "?v=%31", "?v=1+1", "?V=1", "?w=1;v=1")


@dataclass(frozen=True)
class Asked:
    """A request, or what is sent over a stream.

    server_name: of TLS; None without TLS. speaks: "http", "http2", "grpc" (HTTP/2), "bytes" or "datagram".
    headers: (name, value), those of one name in order.
    """

    port: int
    speaks: str = "http"
    server_name: str | None = None
    host: str = ""
    path: str = "/"
    method: str = "GET"
    headers: tuple[tuple[str, str], ...] = ()


@dataclass
class Drawn:
    """objects: with "NS" for the set's own namespace, "FAR" for the second one."""

    objects: list[Raw]
    asked: list[Asked] = field(default_factory=list)


def drawn(seed: int, requests: int) -> Drawn:
    chance = Random(seed)
    made = _Drawing(chance).objects()
    return Drawn(made, [_asked(chance) for _ in range(requests)])


def _asked(chance: Random) -> Asked:
    what = chance.random()
    if what < 0.06:
        return Asked(LINES, "bytes")
    if what < 0.1:
        return Asked(DATAGRAMS, "datagram")
    if what < 0.16:
        return Asked(SECURE, "bytes", chance.choice(SERVER_NAMES))
    port, name = chance.choice((HTTP, HTTP, OTHER_HTTP)), None
    host = chance.choice(ASKED)
    if what < 0.35:
        port, name = SECURE, chance.choice(SERVER_NAMES)
        host = name if name and chance.random() < 0.7 else host
    speaks = chance.choice(("http", "http", "http", "http2", "grpc"))
    path, method = chance.choice(ASKED_PATHS), chance.choice(("GET", "GET", "POST", "HEAD", "PUT"))
    headers: list[tuple[str, str]] = []
    for name_ in ("x-v", "x-a", "x-b"):
        for _ in range(chance.choice((0, 0, 1, 1, 2))):
            headers.append((name_, chance.choice("12")))
    if speaks == "grpc":
        return Asked(port, speaks, name, host, chance.choice(("/s.T/M", "/s.T/N", "/u.V/M")), "POST", tuple(headers))
    if chance.random() < 0.15:
        headers.append(("origin", chance.choice(("https://w.test", "https://x.w.test", "http://w.test"))))
        if chance.random() < 0.6:
            method = "OPTIONS"
            headers.append(("access-control-request-method", "PUT"))
    return Asked(port, speaks, name, host, path + chance.choice(QUERIES), method, tuple(headers))


class _Drawing:
    def __init__(self, chance: Random) -> None:
        self.chance = chance
        self.choice: Callable[[Sequence[Any]], Any] = chance.choice

    def often(self, part: float) -> bool:
        return self.chance.random() < part

    def some(self, choices: Sequence[Any], *counts: int) -> list[Any]:
        return self.chance.sample(choices, self.choice(counts))

    def objects(self) -> list[Raw]:
        listeners = self.listeners()
        if self.often(0.2):
            kept = self.chance.randrange(1, len(listeners)) if len(listeners) > 1 else 1
            listeners, others = listeners[:kept], listeners[kept:]
        else:
            others = []
        gateway: Raw = {
            "gatewayClassName": "sealane",
            "listeners": listeners,
            "allowedListeners": {"namespaces": {"from": self.choice(("All", "All", "Same"))}},
        }
        made = [_object("Gateway", "NS", GATEWAY, gateway)]
        if others:
            parent = {"name": GATEWAY, "namespace": "NS"}
            spec = {"parentRef": parent, "listeners": others}
            made.append(_object("ListenerSet", self.choice(("NS", "FAR")), "more", spec))
        for number in range(self.choice((2, 3, 4, 5))):
            kind = self.choice(
                ("HTTPRoute",) * 6 + ("GRPCRoute", "GRPCRoute", "TLSRoute", "TLSRoute", "TCPRoute", "UDPRoute")
            )
            made.append(self.route(kind, number, bool(others)))
        made += self.grants()
        return made

    # Listeners

    def listeners(self) -> list[Raw]:
        made: list[Raw] = []

        def listen(port: int, protocol: str, **more: Any) -> None:
            one: Raw = {"name": f"l{len(made)}", "port": port, "protocol": protocol, **more}
            if allowed := self.allowed():
                one["allowedRoutes"] = allowed
            made.append(one)

        for _ in range(self.choice((1, 1, 2, 3))):
            listen(HTTP, "HTTP", **self.hostname(0.5))
        for _ in range(self.choice((0, 1))):
            listen(OTHER_HTTP, "HTTP", **self.hostname(0.3))
        for _ in range(self.choice((0, 1, 2, 3))):
            listen(SECURE, self.choice(("HTTPS", "HTTPS", "TLS")), **self.hostname(0.8))
            tls: Raw = {"certificateRefs": [self.certificate() for _ in range(self.choice((1, 1, 2)))]}
            if made[-1]["protocol"] == "TLS" and self.often(0.6):
                tls = {"mode": "Passthrough"}
            made[-1]["tls"] = tls
        if self.often(0.5):
            listen(LINES, "TCP")
        if self.often(0.4):
            listen(DATAGRAMS, "UDP")
        if self.often(0.05):
            listen(self.choice((HTTP, SECURE)), "TCP")
        return made

    def hostname(self, part: float) -> Raw:
        return {"hostname": self.choice(HOSTS)} if self.often(part) else {}

    def certificate(self) -> Raw:
        return self.choice(
            ({"name": "good"},) * 5 + ({"name": "gone"}, {"name": "bad"}, {"name": "good", "namespace": "FAR"})
        )  # type: ignore[no-any-return]

    def allowed(self) -> Raw:
        made: Raw = {}
        if self.often(0.4):
            where = self.choice(("All", "All", "Same", "Selector"))
            made["namespaces"] = {"from": where}
            if where == "Selector":
                made["namespaces"]["selector"] = {"matchLabels": {"near": self.choice(("yes", "no"))}}
        if self.often(0.1):
            made["kinds"] = [
                {"kind": kind} for kind in self.some(("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute"), 1, 2)
            ]
        return made

    # Routes

    def route(self, kind: str, number: int, sets: bool) -> Raw:
        namespace = self.choice(("NS", "NS", "NS", "FAR"))
        parents: list[Raw] = [{"name": GATEWAY, "namespace": "NS"}]
        if self.often(0.2):
            parents[0]["sectionName"] = f"l{self.choice(range(5))}"
        elif self.often(0.15):
            parents[0]["port"] = self.choice((HTTP, OTHER_HTTP, SECURE))
        if sets and self.often(0.5):
            parents.append({"kind": "ListenerSet", "name": "more", "namespace": self.choice(("NS", "FAR"))})
        spec: Raw = {"parentRefs": parents}
        if kind in ("HTTPRoute", "GRPCRoute"):
            if names := self.some(HOSTS, 0, 1, 1, 2):
                spec["hostnames"] = names
            rule = self.http_rule if kind == "HTTPRoute" else self.grpc_rule
            spec["rules"] = [rule(f"{number}.{index}") for index in range(self.choice((1, 1, 2, 3)))]
        else:
            if kind == "TLSRoute":
                spec["hostnames"] = self.some(HOSTS, 1, 1, 2)
            spec["rules"] = [{"backendRefs": [self.backend() for _ in range(self.choice((1, 1, 2)))]}]
        made = _object(kind, namespace, f"r{number}", spec)
        made["metadata"]["creationTimestamp"] = f"2026-01-0{self.choice('123')}T00:00:00Z"
        return made

    def http_rule(self, mark: str) -> Raw:
        matches = [self.http_match() for _ in range(self.choice((0, 1, 1, 1, 2)))]
        made: Raw = {"matches": matches} if matches else {}
        edits = ["full", "none"]
        if not matches or (len(matches) == 1 and matches[0].get("path", {}).get("type", "PathPrefix") == "PathPrefix"):
            edits += ["prefix", "prefix"] if matches and "path" in matches[0] else []
        made["filters"] = [self.answer_headers(mark)]
        filters = made["filters"]
        if self.often(0.3):
            filters.append(self.request_headers())
        if self.often(0.12):
            filters.append(self.cors())
        if self.often(0.04):
            extension = {"group": "example.com", "kind": "Filter", "name": "f"}
            filters.append({"type": "ExtensionRef", "extensionRef": extension})
        for _ in range(self.choice((0, 0, 0, 1, 2))):
            filters.append(self.mirror())
        if self.often(0.15):
            filters.append(self.redirect(self.choice(edits)))
            return made
        rewriting = self.often(0.25)
        if rewriting:
            filters.append(self.rewrite(self.choice(edits)))
        refs = [self.http_backend(rewriting) for _ in range(self.choice((0, 1, 1, 1, 2, 3)))]
        if refs:
            made["backendRefs"] = refs
        if self.often(0.08):
            made["timeouts"] = {"request": "20s", "backendRequest": "10s"}
        if self.often(0.08):
            made["retry"] = {"codes": [500, 503], "attempts": 2, "backoff": "1ms"}
        if self.often(0.05):
            made["sessionPersistence"] = {"sessionName": "s", "type": self.choice(("Cookie", "Header"))}
        return made

    def grpc_rule(self, mark: str) -> Raw:
        made: Raw = {"filters": [self.answer_headers(mark)]}
        if matches := [self.grpc_match() for _ in range(self.choice((0, 1, 1, 2)))]:
            made["matches"] = matches
        if self.often(0.3):
            made["filters"].append(self.request_headers())
        if self.often(0.1):
            made["filters"].append(self.mirror())
        refs = []
        for _ in range(self.choice((0, 1, 1, 1, 2))):
            refs.append(self.backend())
            if self.often(0.15):
                refs[-1]["filters"] = [self.request_headers()]
        if refs:
            made["backendRefs"] = refs
        return made

    def http_match(self) -> Raw:
        made: Raw = {}
        if self.often(0.9):
            kind = self.choice(("Exact", "PathPrefix", "PathPrefix", "RegularExpression"))
            value = self.choice(PATTERNS if kind == "RegularExpression" else PATHS)
            made["path"] = {"type": kind, "value": value}
        if self.often(0.15):
            made["method"] = self.choice(("GET", "POST", "OPTIONS"))
        if headers := self.values(("X-V", "x-a"), 0.25):
            made["headers"] = headers
        if query := self.values(("v", "w"), 0.25):
            made["queryParams"] = query
        return made

    def grpc_match(self) -> Raw:
        made: Raw = {}
        if self.often(0.8):
            kind = self.choice(("Exact", "Exact", "RegularExpression"))
            method: Raw = {"type": kind}
            if self.often(0.8):
                method["service"] = self.choice(("s.T", "u.V") if kind == "Exact" else ("s.[A-Z]", "s|u"))
            if "service" not in method or self.often(0.6):
                method["method"] = self.choice(("M", "N") if kind == "Exact" else ("[MN]", "M|NN"))
            made["method"] = method
        if headers := self.values(("x-v", "x-a"), 0.3):
            made["headers"] = headers
        return made

    def values(self, names: Sequence[str], part: float) -> list[Raw]:
        made = []
        for name in names:
            if self.often(part):
                kind = self.choice(("Exact", "Exact", "RegularExpression"))
                value = self.choice(("1", "2", "1,2", "1 1") if kind == "Exact" else ("[12]", "1.*", "1|2", ".*2"))
                made.append({"name": name, "value": value, "type": kind})
        return made

    # Filters

    def request_headers(self) -> Raw:
        return {"type": "RequestHeaderModifier", "requestHeaderModifier": self.edit(("X-A", "X-B", "X-C"))}

    def answer_headers(self, mark: str) -> Raw:
        edit = self.edit(("X-D", "Content-Type")) if self.often(0.3) else {}
        edit.setdefault("set", []).append({"name": "x-rule", "value": mark})
        return {"type": "ResponseHeaderModifier", "responseHeaderModifier": edit}

    def edit(self, names: Sequence[str]) -> Raw:
        made: Raw = {}
        for name in names:
            how = self.choice(("", "set", "add", "remove"))
            if how == "remove":
                made.setdefault("remove", []).append(name)
            elif how:
                made.setdefault(how, []).append({"name": name, "value": self.choice(("3", "4%", "%REQ(x-v)%"))})
        if not made:
            made["set"] = [{"name": names[0], "value": "5"}]
        return made

    def cors(self) -> Raw:
        made: Raw = {"allowOrigins": self.some(("https://w.test", "https://*.w.test", "http://w.test"), 1, 2)}
        if self.often(0.2):
            made["allowOrigins"] = ["*"]
        made["allowMethods"] = self.choice((["*"], ["GET", "PUT"]))
        if self.often(0.4):
            made["allowCredentials"] = True
        return {"type": "CORS", "cors": made}

    def mirror(self) -> Raw:
        ref = self.choice(({"name": "m", "port": 80},) * 4 + ({"name": "gone", "port": 80},))
        made: Raw = {"backendRef": dict(ref)}
        if self.often(0.3):
            made["percent"] = self.choice((0, 100))
        return {"type": "RequestMirror", "requestMirror": made}

    def redirect(self, edit: str) -> Raw:
        made: Raw = {"statusCode": self.choice((301, 302, 303, 307, 308))}
        for field_, values in (("hostname", ("to.test",)), ("scheme", ("http", "https")), ("port", (80, 443, 8443))):
            if self.often(0.4):
                made[field_] = self.choice(values)
        made.update(self.path_edit(edit))
        return {"type": "RequestRedirect", "requestRedirect": made}

    def rewrite(self, edit: str) -> Raw:
        made: Raw = self.path_edit(edit)
        if not made or self.often(0.4):
            made["hostname"] = "inner.test"
        return {"type": "URLRewrite", "urlRewrite": made}

    def path_edit(self, edit: str) -> Raw:
        value = self.choice(("/", "/n", "/n/", "/n/o", r"/\1", "/p"))
        match edit:
            case "full":
                return {"path": {"type": "ReplaceFullPath", "replaceFullPath": value}}
            case "prefix":
                return {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": value}}
        return {}

    # Backends

    def backend(self) -> Raw:
        what = self.chance.random()
        made: Raw = {"name": self.choice("abc"), "port": 80}
        if what < 0.06:
            made = {"name": "gone", "port": 80}
        elif what < 0.1:
            made = {"name": "empty", "port": 80}
        elif what < 0.14:
            made["port"] = 81
        elif what < 0.17:
            made = {"group": "example.com", "kind": "Bucket", "name": "b", "port": 80}
        elif what < 0.27:
            made = {"name": "d", "namespace": "FAR", "port": 80}
        elif what < 0.37:
            made = {"name": self.choice("ab"), "namespace": "NS", "port": 80}
        elif what < 0.42:
            made = {"name": "h2", "port": 80}
        if self.often(0.4):
            made["weight"] = self.choice((0, 1, 1, 3))
        return made

    def http_backend(self, rewriting: bool) -> Raw:
        made = self.backend()
        filters = []
        if self.often(0.2):
            filters.append(self.request_headers())
        if self.often(0.1):
            filters.append({"type": "ResponseHeaderModifier", "responseHeaderModifier": self.edit(("X-D", "X-E"))})
        if self.often(0.08) and not rewriting:
            filters.append({"type": "URLRewrite", "urlRewrite": {"hostname": "own.test"}})
        if self.often(0.03):
            filters.append(self.mirror())
        if filters:
            made["filters"] = filters
        return made

    def grants(self) -> list[Raw]:
        made = []
        for number in range(self.choice((0, 1, 2))):
            there, here = self.choice((("FAR", "NS"), ("NS", "FAR")))
            kind = self.choice(("HTTPRoute", "HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "Gateway"))
            to: Raw = {"group": "", "kind": "Secret" if kind == "Gateway" else "Service"}
            if self.often(0.3):
                to["name"] = self.choice(("d", "a", "good"))
            spec = {"from": [{"group": GROUP, "kind": kind, "namespace": here}], "to": [to]}
            made.append(_object("ReferenceGrant", there, f"g{number}", spec))
        return made


def _object(kind: str, namespace: str, name: str, spec: Mapping[str, Any]) -> Raw:
    return {
        "apiVersion": f"{GROUP}/v1",
        "kind": kind,
        "metadata": {"namespace": namespace, "name": name},
        "spec": dict(spec),
    }
