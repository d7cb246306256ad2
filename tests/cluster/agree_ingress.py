"""Random Ingresses of two classes, with annotations of ingress-nginx: the routing model against the real Envoy.

    python tests/cluster/agree_ingress.py [SETS] [--requests N] [--seed N] [--replay FILE]

As `agree_routes`, but that all sets in an Envoy at a time share the one proxy of Ingresses: each has hosts of its own.
"""

from __future__ import annotations

import sys
from base64 import b64encode
from collections.abc import Iterator
from dataclasses import replace
from random import Random
from typing import Any

from agree_routes import Expected, RoutesWorld, main
from routes_ask import Connection
from routes_draw import Asked, Drawn, Raw

from sealane.network.routes.ingress.nginx.reading import PREFIX
from sealane.network.routes.ingress.tls import DEFAULT
from sealane.network.routes.model.l4 import INGRESS_PROXY, PortKey
from sealane.network.routes.proxies import INGRESS_LABEL

POD = "ingress"
HOSTS = ("a.SLOT.test", "a.SLOT.test", "b.SLOT.test", "*.SLOT.test", "*.b.SLOT.test", "www.b.SLOT.test")
ASKED = (
    *("a.SLOT.test", "A.SLOT.Test:80", "a.SLOT.test.", "b.SLOT.test", "www.b.SLOT.test", "www.a.SLOT.test"),
    *("x.SLOT.test", "x.b.SLOT.test", "x.y.SLOT.test", "c.SLOT.test"),
)
PLAIN = ("/", "/p", "/p/", "/p/q", "/P", "/pq", "/p/q/r")
PATTERNS = ("/p(/|$)(.*)", "/(p|q)/(.*)", "/p.*q", "/[pq]+", "/p/?(.*)", "/p$", "/(?!p)")
ASKED_PATHS = (
    *PLAIN,
    "/q",
    "/q/p",
    "/p/q/",
    "//p",
    "/p//q",
    "/p/../q",
    "/p/%71",
    "/.well-known/acme-challenge/x",
    "/z",
)
ANNOTATIONS: dict[str, tuple[str, ...]] = {
    "rewrite-target": ("/", "/$1", "/x/$2", "/$2$1", "bad"),
    "use-regex": ("true", "false"),
    "ssl-redirect": ("false", "true"),
    "force-ssl-redirect": ("true",),
    "app-root": ("/p", "q"),
    "permanent-redirect": ("https://new.test", "http://new.test$request_uri", "$scheme://$host/z", "$nothing"),
    "permanent-redirect-code": ("308", "999"),
    "temporal-redirect": ("https://later.test/x",),
    "from-to-www-redirect": ("true",),
    "server-alias": ("c.SLOT.test", "x.SLOT.test,b.SLOT.test"),
    "upstream-vhost": ("inner.test", "$host"),
    "backend-protocol": ("GRPC", "HTTP", "HTTPS"),
    "enable-cors": ("true",),
    "cors-allow-origin": ("https://w.test, https://*.w.test", "*"),
    "whitelist-source-range": ("0.0.0.0/0", "192.0.2.0/24", "172.16.0.0/12, 10.0.0.0/8"),
    "denylist-source-range": ("192.0.2.1", "10.0.0.0/8"),
    "affinity": ("cookie",),
    "canary": ("true",),
    "canary-by-header": ("x-v",),
    "canary-by-header-value": ("1",),
    "canary-by-header-pattern": ("^1",),
    "canary-by-cookie": ("c",),
    "canary-weight": ("0", "50", "100"),
    "configuration-snippet": (
        'more_set_headers "X-D: 3"; proxy_set_header X-A 4;',
        "add_header x-e 5; more_clear_headers x-d;",
        "return 418;",
        "return 302 https://$host/s;",
        "deny all;",
        "if ($a) { return 400; }",
    ),
}


class IngressWorld(RoutesWorld):
    def _standing(self) -> Iterator[Raw]:
        self.routing.sources.ask_for_secrets()  # what is followed is filled with each batch
        self.pod(POD)
        yield from super()._standing()
        yield self.proxy_pod(INGRESS_PROXY.namespace, "ingress", POD, {INGRESS_LABEL: "ingress"})
        for name, controller in (("sealane", "sealane.dev/ingress-controller"), ("nginx", "k8s.io/ingress-nginx")):
            yield {
                "apiVersion": "networking.k8s.io/v1",
                "kind": "IngressClass",
                "metadata": {"name": name, "annotations": {"sealane.dev/adopted": "true"}},
                "spec": {"controller": controller},
            }
        data = dict(zip(("tls.crt", "tls.key"), (b64encode(each).decode() for each in self.certificate), strict=True))
        metadata = {"namespace": DEFAULT.namespace, "name": DEFAULT.name}
        yield {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "type": "kubernetes.io/tls", "data": data}

    def _sentinel(self) -> list[Raw]:
        spec = {"ingressClassName": "nginx", "rules": [{"host": "sentinel.SLOT.test"}]}
        made = ingress("sentinel", spec, {"permanent-redirect": f"http://batch-{self.batch}.test"})
        return [made]

    def sentinel(self, slot: int) -> Asked:
        return Asked(80, host=f"sentinel.s{slot}.test")

    def asked_at(self, slot: int) -> str:
        return POD

    def expected(self, slot: int, asked: Asked) -> Expected:
        opened = self.routing.ports.get(PortKey(INGRESS_PROXY, asked.port))
        if opened is None:
            return Expected(frozenset({"refused"}), why="no such port")
        return self._http(INGRESS_PROXY, asked)

    async def disagreement(self, slot: int, asked: Asked, connections: dict[Any, Connection], number: int) -> str:
        def own(text: str) -> str:
            return text.replace("SLOT", f"s{slot}")

        name = own(asked.server_name) if asked.server_name is not None else None
        asked = replace(asked, host=own(asked.host), server_name=name)
        return await super().disagreement(slot, asked, connections, number)


def ingress(name: str, spec: Raw, annotations: dict[str, str]) -> Raw:
    metadata = {
        "namespace": "NS",
        "name": name,
        "annotations": {f"{PREFIX}{each}": value for each, value in annotations.items()},
    }
    return {"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec}


def drawn(seed: int, requests: int) -> Drawn:
    chance = Random(seed)
    made = [_ingress(chance, number) for number in range(chance.choice((1, 2, 3, 4)))]
    return Drawn(made, [_asked(chance) for _ in range(requests)])


def _ingress(chance: Random, number: int) -> Raw:
    nginx = chance.random() < 0.8
    spec: Raw = {"ingressClassName": "nginx" if nginx else "sealane", "rules": []}
    for host in chance.sample(HOSTS, chance.choice((1, 1, 2))):
        paths = [_path(chance, nginx) for _ in range(chance.choice((0, 1, 1, 2, 3)))]
        spec["rules"].append({"host": host, **({"http": {"paths": paths}} if paths else {})})
    if nginx and chance.random() < 0.2:
        spec["defaultBackend"] = _backend(chance)
    if chance.random() < 0.4:
        listed = chance.sample(HOSTS, chance.choice((0, 1, 2)))
        secret = chance.choice(("good", "good", "gone", "bad"))
        spec["tls"] = [{"secretName": secret, **({"hosts": listed} if listed else {})}]
    chosen = chance.sample(sorted(ANNOTATIONS), chance.choice((0, 0, 1, 2, 3, 4))) if nginx else []
    if "canary" not in chosen and nginx and chance.random() < 0.15:
        chosen.append("canary")
    made = ingress(f"i{number}", spec, {name: chance.choice(ANNOTATIONS[name]) for name in chosen})
    made["metadata"]["creationTimestamp"] = f"2026-01-0{chance.choice('123')}T00:00:00Z"
    return made


def _path(chance: Random, nginx: bool) -> Raw:
    kind = chance.choice(("Prefix", "Prefix", "Exact", "ImplementationSpecific"))
    pattern = nginx and kind == "ImplementationSpecific" and chance.random() < 0.7
    return {"path": chance.choice(PATTERNS if pattern else PLAIN), "pathType": kind, "backend": _backend(chance)}


def _backend(chance: Random) -> Raw:
    if chance.random() < 0.04:
        return {"resource": {"apiGroup": "example.com", "kind": "Bucket", "name": "b"}}
    port = chance.choice(({"number": 80},) * 5 + ({"name": "http"}, {"number": 81}))
    return {"service": {"name": chance.choice(("a", "b", "c", "a", "b", "c", "empty", "gone")), "port": port}}


def _asked(chance: Random) -> Asked:
    port, name, host = 80, None, chance.choice(ASKED)
    if chance.random() < 0.35:
        port, name = 443, chance.choice([each for each in ASKED if ":" not in each and not each.endswith(".")])
        host = name if chance.random() < 0.7 else host
    method = chance.choice(("GET", "GET", "GET", "POST", "HEAD", "OPTIONS"))
    headers: list[tuple[str, str]] = [
        (each, chance.choice("123")) for each in ("x-v", "x-a", "x-b") if chance.random() < 0.4
    ]
    if chance.random() < 0.2:
        headers.append(("origin", chance.choice(("https://w.test", "https://x.w.test", "https://x.y.w.test"))))
    if chance.random() < 0.2:
        headers.append(("cookie", chance.choice(("c=always", "a=b; c=never", "cc=always"))))
    path = chance.choice(ASKED_PATHS) + chance.choice(("", "", "?v=1", "?v=%31&w"))
    return Asked(port, chance.choice(("http", "http", "http2")), name, host, path, method, tuple(headers))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:], __doc__, IngressWorld, drawn))
