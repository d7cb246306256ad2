"""What test_envoy.py plays: `python envoy_scenarios.py NAME FOLDER` runs one of them in a world of its own."""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from random import Random
from typing import Any

from envoy_api_world import ApiWorld
from envoy_world import Load, World, run
from tls_scenario import tls

from sealane.cluster import memory
from sealane.kube import kinds
from sealane.kube.objects import Key
from sealane.network.routes.evaluate import Request, evaluate


async def hosts(world: World) -> None:
    for name in ("exact", "wild", "any"):
        await world.backend(name)
        world.service(name, [name])

    async def pod(host: str, **options: int) -> str:
        answer = await world.get(host, **options)
        return answer.seen["pod"] if answer.status == 200 else str(answer.status)

    def to(name: str) -> list[object]:
        return [{"backendRefs": [{"name": name, "port": 80}]}]

    world.gateway({"port": 80}, {"port": 80, "hostname": "*.own.test"}, {"port": 8080, "hostname": "a.example"})
    world.route("exact", ["a.example"], to("exact"))
    world.route("wild", ["*.example"], [{"matches": [{"path": {"value": "/"}}], **to("wild")[0]}])
    await world.until("a.example", 200)
    assert await pod("a.example") == "exact"
    assert await pod("A.Example:80") == "exact"
    assert await pod("b.example") == "wild"
    assert await pod("c.b.EXAMPLE") == "wild"
    assert await pod("example") == "404"
    assert await pod("other.test") == "404"
    assert await pod("a.example", port=8080) == "exact"
    assert await pod("b.example", port=8080) == "404"

    world.route("any", [], to("any"))
    await world.until("other.test", 200)
    assert await pod("other.test") == "any"
    assert await pod("[::1]:80") == "any"
    assert await pod("a.example") == "exact"
    # An exact hostname is not helped out by a wildcard, nor a listener by its neighbour.
    world.route("exact", ["a.example"], [{"matches": [{"path": {"value": "/only"}}], **to("exact")[0]}])
    await world.until("a.example", 404)
    world.route("any", [], [{"matches": [{"path": {"value": "/any"}}], **to("any")[0]}])
    await world.until("x.own.test", 404)

    seen = (await world.get("b.example")).seen
    assert seen["peer"] == world.gateway_ip, seen
    assert seen["headers"]["x-forwarded-for"] == world.ips["client"], seen
    assert "x-request-id" in seen["headers"], seen
    assert not [name for name in seen["headers"] if "sealane" in name], seen

    # A client cannot choose its scope.
    answer = await world.get("other.test", headers={"x-sealane-scope": "shop/web/80/a.example"})
    assert answer.status == 404, answer
    world.remove("HTTPRoute", "shop", "wild")
    await world.until("b.example", 404)
    world.remove("Gateway", "shop", "web")
    for _ in range(500):
        try:
            await world.get("a.example")
        except OSError:
            break
        await asyncio.sleep(0.01)
    else:
        raise AssertionError("the listener of a deleted Gateway still answers")
    world.gateway({"port": 80})
    assert (await world.until("a.example", 200, "/only")).seen["pod"] == "exact"


async def rules(world: World) -> None:
    for name in ("a", "b"):
        await world.backend(name)
        world.service(name, [name])
    world.service("empty", [])
    a, b = ({"name": name, "port": 80} for name in ("a", "b"))
    rules = [
        {"matches": [{"path": {"value": "/a"}}], "backendRefs": [a]},
        {"matches": [{"path": {"value": "/a/b"}}], "backendRefs": [b]},
        {"matches": [{"path": {"type": "Exact", "value": "/a/b"}}], "backendRefs": [a]},
        {"matches": [{"path": {"value": "/h"}}], "backendRefs": [a]},
        {"matches": [{"path": {"value": "/h"}, "headers": [{"name": "Version", "value": "2"}]}], "backendRefs": [b]},
        {"matches": [{"path": {"value": "/m"}, "method": "POST"}], "backendRefs": [b]},
        {
            "matches": [{"path": {"value": "/q"}, "queryParams": [{"name": "v", "value": "2"}]}],
            "backendRefs": [b],
        },
        {
            "matches": [{"path": {"value": "/w"}}],
            "backendRefs": [{**a, "weight": 3}, {**b, "weight": 1}, {"name": "gone", "port": 80, "weight": 1}],
        },
        {"matches": [{"path": {"value": "/empty"}}], "backendRefs": [{"name": "empty", "port": 80}]},
        {"matches": [{"path": {"value": "/gone"}}], "backendRefs": [{"name": "gone", "port": 80}]},
        {"matches": [{"path": {"value": "/none"}}]},
        {
            "matches": [{"path": {"value": "/e"}}],
            "filters": [
                {
                    "type": "RequestHeaderModifier",
                    "requestHeaderModifier": {
                        "set": [{"name": "X-Set", "value": "100%"}, {"name": "Host", "value": "inner.test"}],
                        "add": [{"name": "X-Add", "value": "2"}],
                        "remove": ["X-Gone"],
                    },
                },
                {"type": "ResponseHeaderModifier", "responseHeaderModifier": {"remove": ["server"]}},
                {
                    "type": "URLRewrite",
                    "urlRewrite": {"path": {"type": "ReplacePrefixMatch", "replacePrefixMatch": "/"}},
                },
            ],
            "backendRefs": [a],
        },
        {
            "matches": [{"path": {"value": "/r"}}],
            "filters": [
                {
                    "type": "RequestRedirect",
                    "requestRedirect": {"hostname": "to.test", "statusCode": 301, "scheme": "https"},
                }
            ],
        },
        {
            "matches": [{"path": {"value": "/t"}}],
            "timeouts": {"request": "50ms"},
            "backendRefs": [a],
        },
    ]
    world.gateway({"port": 80})
    world.route("rules", ["shop.example"], rules)
    # RE2 repeats at most 1,000 times: what Envoy refuses must not take its neighbours along.
    bad = {"path": {"type": "RegularExpression", "value": "/a{1001}"}}
    world.route("bad", ["bad.example"], [{"matches": [bad], "backendRefs": [a]}])
    await world.until("shop.example", 200, "/a")

    async def ask(path: str, **options: object) -> str:
        answer = await world.get("shop.example", path, **options)
        return answer.seen["pod"] if answer.status == 200 else str(answer.status)

    assert [await ask(path) for path in ("/a", "/a?x=1", "/a/", "/a/c", "/ab", "/")] == [
        "a",
        "a",
        "a",
        "a",
        "404",
        "404",
    ]
    assert [await ask(path) for path in ("/a/b", "/a/b/", "/a/b/c", "/a/bc")] == ["a", "b", "b", "a"]
    assert await ask("/h") == "a"
    assert await ask("/h", headers={"VERSION": "2"}) == "b"
    assert await ask("/h", headers={"version": "3"}) == "a"
    assert [await ask("/m"), await ask("/m", method="POST")] == ["404", "b"]
    assert [await ask("/q?v=1"), await ask("/q?x=1&v=2")] == ["404", "b"]
    found = [await ask("/w") for _ in range(500)]
    counts = {name: found.count(name) for name in set(found)}
    assert set(counts) == {"a", "b", "500"}, counts
    assert 250 <= counts["a"] <= 350, counts
    assert [await ask(path) for path in ("/empty", "/gone", "/none")] == ["503", "500", "500"]

    answer = await world.get("shop.example", "/e/x?y=1", headers={"X-Set": "1", "X-Add": "1", "X-Gone": "1"})
    seen = answer.seen["headers"]
    assert "server" not in answer.headers
    assert (seen["x-set"], seen["host"], answer.seen["path"]) == ("100%", "inner.test", "/x?y=1"), seen
    assert "x-add" in seen, seen
    assert "x-gone" not in seen, seen
    answer = await world.get("shop.example", "/r/x?y=1")
    assert (answer.status, answer.headers["location"]) == (301, "https://to.test/r/x?y=1"), answer
    assert await ask("/t", headers={"x-delay": "1"}) == "504"
    assert await ask("/t") == "a"


async def rollout(world: World) -> None:
    """Pods are replaced under load as a Deployment does it, and the control plane restarts: no request fails."""
    pods = ["p0", "p1", "p2"]
    for name in pods:
        await world.backend(name)
    world.service("app", pods)
    world.gateway({"port": 80})
    world.route("app", ["app.example"], [{"backendRefs": [{"name": "app", "port": 80}]}])
    await world.until("app.example", 200)
    load = Load(world, "app.example")
    for number in range(3, 12):
        await asyncio.sleep(0.1)
        new, old = f"p{number}", pods[0]
        await world.backend(new)
        pods = [*pods[1:], new]
        world.service("app", pods)
        await load.leaves(old)
        await world.kill(old)
    await world.stop_xds()
    await asyncio.sleep(0.2)
    world.serve_xds()
    await asyncio.sleep(0.3)
    await world.backend("last")
    world.service("app", ["last"])
    end = time.monotonic() + 60
    while "last" not in load.served:
        assert time.monotonic() < end, "endpoints do not follow after the control plane's restart"
        await asyncio.sleep(0.01)
    await load.stop()
    total = sum(map(len, load.served.values()))
    print(total, "requests", {name: len(times) for name, times in load.served.items()})
    assert total > 500, load.served
    assert len(load.served) > 8, load.served
    assert not load.failed, load.failed


async def crash(world: World) -> None:
    """A pod dies while it is still listed: only what it had already taken is lost, all else goes elsewhere."""
    for name in ("a", "b"):
        await world.backend(name)
    world.service("app", ["a", "b"])
    world.gateway({"port": 80})
    world.route("app", ["app.example"], [{"backendRefs": [{"name": "app", "port": 80}]}])
    await world.until("app.example", 200)
    load = Load(world, "app.example")
    await asyncio.sleep(0.3)
    await world.kill("a")
    killed = time.monotonic()
    await asyncio.sleep(1)
    await load.stop()
    assert len(load.failed) <= 8, load.failed  # one on its way for each connection
    served = len([at for at in load.served["b"] if at > killed])
    assert served > 40, served


async def api(world: ApiWorld) -> None:
    """From a Gateway and a route in the API to an answer; statuses say so; all goes with the Gateway."""
    await world.backend("a")
    await world.create_service("a", ["a"])
    await world.create(
        kinds.GATEWAY,
        "shop",
        "web",
        spec={"gatewayClassName": "sealane", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    )
    await world.create_route("a", ["a.example"], "a")
    started = time.monotonic()
    status = await world.until_status(kinds.GATEWAY, "shop", "web", "Accepted=True Programmed=True")
    print("programmed after", time.monotonic() - started)
    assert (await world.get("a.example")).status == 200
    service = await world.client.get(kinds.SERVICE, "shop", "web-sealane")
    addresses = [item["ip"] for item in service.status["loadBalancer"]["ingress"]]
    assert [item["value"] for item in status["addresses"]] == addresses
    assert addresses, service.status
    for _ in range(100):
        status = (await world.client.get(kinds.GATEWAY, "shop", "web")).status
        if status["listeners"][0]["attachedRoutes"] == 1:
            break
        await asyncio.sleep(0.01)
    assert status["listeners"][0]["attachedRoutes"] == 1, status
    assert "Programmed" in {item["reason"] for item in status["listeners"][0]["conditions"]}
    await world.until_status(kinds.GATEWAYCLASS, "", "sealane", "Accepted=True")
    route = await world.until_status(kinds.HTTPROUTE, "shop", "a", "Accepted=True ResolvedRefs=True")
    assert route["parents"][0]["conditions"][0]["lastTransitionTime"]

    await world.create_route("b", ["b.example"], "gone")
    await world.until_status(kinds.HTTPROUTE, "shop", "b", "Accepted=True ResolvedRefs=False BackendNotFound")
    await world.until("b.example", 500)
    await world.create_service("gone", ["a"])
    await world.until("b.example", 200)
    await world.until_status(kinds.HTTPROUTE, "shop", "b", "ResolvedRefs=True")

    await asyncio.sleep(0.3)
    writes = [writer.written for writer in world.gateways.writers]
    await asyncio.sleep(0.5)
    assert writes == [writer.written for writer in world.gateways.writers], "the controllers do not come to rest"

    rule = {"path": "/", "pathType": "Prefix", "backend": {"service": {"name": "a", "port": {"number": 80}}}}
    web = world.gateway_ip
    await world.create(
        kinds.INGRESS,
        "shop",
        "i",
        spec={"ingressClassName": "sealane", "rules": [{"host": "i.example", "http": {"paths": [rule]}}]},
    )
    for _ in range(500):
        ingress = await world.client.get(kinds.INGRESS, "shop", "i")
        if (ingress.status.get("loadBalancer") or {}).get("ingress"):
            break
        await asyncio.sleep(0.01)
    assert ingress.status["loadBalancer"]["ingress"], ingress.raw
    while world.gateway_ip == web:
        await asyncio.sleep(0.01)
    seen = (await world.until("i.example", 200)).seen
    assert seen["peer"] == world.gateway_ip, seen
    assert (await world.get("a.example")).status == 404
    assert (await world.get("a.example", ip=web)).status == 200

    await world.client.delete(kinds.GATEWAY, "shop", "web")
    for _ in range(500):
        left = [item.key for item in (await world.client.list(kinds.SERVICE, "shop")).items if "web" in item.name]
        left += [item.key for item in (await world.client.list(kinds.DEPLOYMENT, "shop")).items]
        if not left:
            break
        await asyncio.sleep(0.01)
    assert not left, left


async def bench(world: ApiWorld, sizes: Sequence[int] = (100, 1000, 3000, 10_000), samples: int = 200) -> None:
    """A new host among so many routes, from the write to the first 200. Prints one figure a line: NAME ROUTES VALUE."""
    memory.settle()  # as every process of a cluster
    await world.backend("a")
    await world.create_service("a", ["a"])
    await world.create(
        kinds.GATEWAY,
        "shop",
        "web",
        spec={"gatewayClassName": "sealane", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    )
    there = 0
    for routes in sizes:
        for first in range(there, routes, 1000):
            hosts = range(first, min(first + 1000, routes))
            await asyncio.gather(*(world.create_route(f"r{i}", [f"h{i}.example"], "a") for i in hosts))
        there = routes
        while not world.gateway_ip:
            await asyncio.sleep(0.01)
        await world.until(f"h{routes - 1}.example", 200, seconds=60)
        for writer in world.gateways.writers:
            await writer.settled()
        client = await world.connect()
        times: list[float] = []
        writes: list[float] = []
        for i in range(samples):
            started = time.perf_counter()
            await world.create_route(f"n{routes}-{i}", [f"n{routes}-{i}.example"], "a")
            writes.append((time.perf_counter() - started) * 1e3)
            while (await client.request(f"n{routes}-{i}.example")).status != 200:
                await asyncio.sleep(0.0005)  # the same process serves the API and xDS
            times.append((time.perf_counter() - started) * 1e3)
            await asyncio.sleep(0.02)
        ordered = sorted(times)
        print("p50", routes, ordered[len(ordered) // 2])
        print("p99", routes, ordered[int(len(ordered) * 0.99)])
        print("write", routes, sorted(writes)[len(writes) // 2])
    answered = 0
    end = time.perf_counter() + 2
    while time.perf_counter() < end:
        await client.request("h1.example")
        answered += 1
    print("rate", there, answered / 2)


async def agree(world: World, seed: int = 0, rounds: int = 8, requests: int = 120) -> None:
    """Random routes and requests: Envoy does what the model says."""
    random = Random(seed)
    for name in ("a", "b"):
        await world.backend(name)
        world.service(name, [name])
    world.gateway({"port": 80}, {"port": 80, "hostname": "*.b.test"}, {"port": 80, "hostname": "x.b.test"})
    gateway = Key("gateway.networking.k8s.io", "Gateway", "shop", "web")
    hosts = ("a.test", "x.b.test", "y.b.test", "*.test", "*.b.test", "*.y.b.test")
    asked = ("a.test", "A.test:80", "b.test", "x.b.test", "y.b.test", "z.y.b.test", "c.test", "other", "test")
    paths = ("/", "/p", "/p/q", "/p/q/", "/P", "/pq", "/p/q/r")
    compared = 0

    def match() -> dict[str, Any]:
        made: dict[str, Any] = {}
        kind = random.choice(("Exact", "PathPrefix", "PathPrefix", "RegularExpression"))
        value = random.choice(paths) if kind != "RegularExpression" else random.choice(("/p.*", "/[pq]", "/p/q/?"))
        made["path"] = {"type": kind, "value": value}
        if random.random() < 0.2:
            made["method"] = random.choice(("GET", "POST"))
        if random.random() < 0.3:
            value, kind = random.choice((("1", "Exact"), ("[12]", "RegularExpression")))
            made["headers"] = [{"name": "X-V", "value": value, "type": kind}]
        if random.random() < 0.2:
            made["queryParams"] = [{"name": "v", "value": random.choice("12")}]
        return made

    def rule(name: str) -> dict[str, Any]:
        mark = {
            "type": "ResponseHeaderModifier",
            "responseHeaderModifier": {"set": [{"name": "x-rule", "value": name}]},
        }
        made: dict[str, Any] = {"matches": [match() for _ in range(random.choice((1, 1, 2)))], "filters": [mark]}
        edit = random.choice(
            (
                {"type": "ReplaceFullPath", "replaceFullPath": "/full"},
                {"type": "ReplacePrefixMatch", "replacePrefixMatch": random.choice(("/", "/n", "/n/"))},
            )
        )
        if any(item["path"]["type"] != "PathPrefix" for item in made["matches"]):  # the API refuses anything else
            edit = {"type": "ReplaceFullPath", "replaceFullPath": "/full"}
        what = random.random()
        if what < 0.15:
            to = {"hostname": "to.test", "statusCode": 302, "path": edit}
            made["filters"] = [mark, {"type": "RequestRedirect", "requestRedirect": to}]
            return made
        if what < 0.4:
            made["filters"] = [mark, {"type": "URLRewrite", "urlRewrite": {"path": edit}}]
        made["backendRefs"] = [
            {"name": random.choice(("a", "b", "a", "b", "gone")), "port": 80, "weight": random.choice((0, 1, 1))}
            for _ in range(random.choice((1, 1, 2)))
        ]
        return made

    for number in range(rounds):
        for index in range(5):
            world.route(
                f"r{index}",
                random.sample(hosts, random.choice((0, 1, 2))),
                [rule(f"{number}.{index}.{i}") for i in range(random.choice((1, 2, 3)))],
            )
        world.route("round", [f"round{number}.test"], [{"backendRefs": [{"name": "a", "port": 80}]}])
        await world.until(f"round{number}.test", 200)
        await asyncio.sleep(0.03)  # Envoy may take what else has changed in messages of its own
        for _ in range(requests):
            path = random.choice(paths) + random.choice(("", "?v=1", "?v=2&w=1"))
            host, method = random.choice(asked), random.choice(("GET", "POST"))
            headers = random.choice(({}, {"X-V": "1"}, {"x-v": "2"}))
            said = evaluate(world.routing.hosts, Request(gateway, 80, host, path, method, tuple(headers.items())))
            did = await world.get(host, path, method=method, headers=headers)
            case = (seed, number, host, path, method, headers, [each.text for each in said.reasons], did)
            if said.rule is None:
                assert did.status == 404, case
                assert "x-rule" not in did.headers, case
            else:
                _, index, name = did.headers.get("x-rule", "0.-.-").split(".")
                assert said.rule.origin.key.name == f"r{index}" or did.status == 500, case
                assert str(said.rule.origin.path[2]) == name or did.status == 500, case
                if said.status:
                    assert did.status == said.status, case
                    assert did.headers.get("location", "") == said.location, case
                elif did.status == 200:
                    pods = [backend.service.name for backend in said.backends if not backend.problem]
                    assert did.seen["pod"] in pods, case
                    assert did.seen["path"] == said.request.path, case
                else:
                    assert did.status == 500, case
                    assert any(backend.problem for backend in said.backends), case
            compared += 1
    print(compared, "requests agree")


SCENARIOS = {
    "hosts": hosts,
    "rules": rules,
    "rollout": rollout,
    "crash": crash,
    "agree": agree,
    "api": api,
    "tls": tls,
    "bench": bench,
}

IN_PARALLEL = (rollout, crash, tls, bench)
"""Under load, with two workers of Envoy. Each takes a change in its own time, so the others, for which what one
connection has seen has to be true for the next, have one worker."""

if __name__ == "__main__":
    chosen = SCENARIOS[sys.argv[1]]
    workers = 2 if chosen in IN_PARALLEL else 1
    run(chosen, sys.argv[2], of=ApiWorld if chosen in (api, bench) else World, concurrency=workers)
