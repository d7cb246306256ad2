"""What happens to pods, played in a `pods_world.World`. Each scenario raises when something is not so."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from pods_world import World, until

from sealane.dataplane.linux import namespaces
from sealane.dataplane.pods import exec as agent_exec
from sealane.dataplane.pods import spawner
from sealane.dataplane.pods.addresses import PodAddresses
from sealane.kube import kinds
from sealane.kube.objects import Object


def shell(script: str, **more: Any) -> dict[str, Any]:
    return {"name": "c", "image": "busybox", "command": ["sh", "-c", script], **more}


async def stand_in_answers(world: World) -> None:
    """A pod of any image answers over both families, TCP and UDP, and says who it is."""
    ports = [{"containerPort": 8080, "name": "http"}, {"containerPort": 5353, "protocol": "UDP"}]
    await world.pod("cart", node="node-2", containers=[{"name": "cart", "image": "shop/cart:1", "ports": ports}])
    await world.pod("front")
    cart, front = await world.ready("cart"), await world.ready("front")
    status = cart.status
    assert status["phase"] == "Running"
    assert status["hostIP"] == "172.18.1.2"
    assert [family["ip"].partition(":")[0] for family in status["podIPs"]] == [status["podIP"], "fd00"]
    seen = await world.ask(front, f"http://{status['podIP']}:8080/items?page=2")
    assert (seen["pod"], seen["namespace"], seen["node"], seen["path"]) == ("cart", "shop", "node-2", "/items?page=2")
    assert seen["client"]["ip"] == front.status["podIP"]
    six = await world.ask(front, f"http://[{status['podIPs'][1]['ip']}]:8080/")
    assert six["client"]["ip"] == front.status["podIPs"][1]["ip"]
    raw = await world.inside(front, "sh", "-c", f"echo hello | nc -q 1 {status['podIP']} 8080")
    assert raw == f"shop/cart on node-2 ({status['podIP']}): hello\n", raw
    udp = await world.inside(front, "sh", "-c", f"echo ping | nc -u -w 1 {status['podIP']} 5353")
    assert udp.endswith(": ping\n"), udp
    refused = await world.inside(front, "curl", "-sS", "-m", "5", f"http://{status['podIP']}:81/")
    assert refused.endswith("(exit 7)"), refused

    async def logged() -> bool:
        return '"GET /items?page=2 HTTP/1.1" 200' in world.log(cart, "cart")

    await until(logged, "the access log")

    async def said() -> bool:
        text = "Container cart: image shop/cart:1 is answered by the echo stand-in on 8080/TCP, 5353/UDP"
        return ("Answered", text) in await world.events("cart")

    await until(said, "the Answered event")
    node = await world.client.get(kinds.NODE, "", "node-2")
    assert node.spec["podCIDRs"] == ["10.244.2.0/24", "fd00:10:244:2::/64"]
    assert {one["type"]: one["status"] for one in node.status["conditions"]}["Ready"] == "True"


async def command_runs_in_its_own_world(world: World) -> None:
    """A command sees the pod's network, names, variables and volumes, and changes nothing of the host."""
    metadata = {"name": "settings", "namespace": "shop"}
    await world.client.create(
        kinds.SERVICE, {"metadata": {"name": "cart", "namespace": "shop"}, "spec": {"ports": [{"port": 80}]}}
    )
    script = (
        "hostname; cat /etc/hostname; echo $MODE $POD_IP; cat /config/mode; echo; grep nameserver /etc/resolv.conf; "
        'grep -c "$POD_IP" /etc/hosts; cat /var/run/secrets/kubernetes.io/serviceaccount/namespace; echo; '
        "echo mine > /etc/sealane-was-here && echo mine > /usr/sealane-was-here && echo mine > /data/file; "
        "ls /sys/class/net; ls -d /proc/[0-9]* | wc -l; exec sleep 1000"
    )
    container = shell(
        script,
        env=[
            {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "settings", "key": "mode"}}},
            {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        ],
        volumeMounts=[{"name": "config", "mountPath": "/config"}, {"name": "data", "mountPath": "/data"}],
    )
    volumes = [{"name": "config", "configMap": {"name": "settings"}}, {"name": "data", "emptyDir": {}}]
    await world.pod("worker", containers=[container], volumes=volumes)

    async def waits() -> bool:
        waiting = (await world.container("worker"))["state"].get("waiting", {})
        return bool(waiting.get("message") == 'configmap "settings" not found')

    await until(waits, "CreateContainerConfigError")
    await world.client.create(kinds.CONFIGMAP, {"metadata": metadata, "data": {"mode": "fast"}})
    worker = await world.ready("worker")
    ip = worker.status["podIP"]

    async def printed() -> bool:
        return world.log(worker).count("\n") >= 10

    await until(printed, "the log")
    lines = world.log(worker).splitlines()
    assert lines[:2] == ["worker", "worker"], lines
    assert lines[2:7] == [f"fast {ip}", "fast", "nameserver 10.96.0.10", "1", "shop"], lines
    assert "eth0" in lines
    assert int(lines[-1]) <= 4, "it sees processes of others"
    for path in ("/etc/sealane-was-here", "/usr/sealane-was-here", "/data"):
        assert not os.path.exists(path), path
    await world.delete("worker", 0)
    await world.gone("worker")

    async def cleaned() -> bool:
        return not (world.run / "pods" / worker.uid).exists() and f"pod-{worker.uid}" not in namespaces.names(world.run)

    await until(cleaned, "its files and namespace gone")


async def ends_and_restarts(world: World) -> None:
    """Init containers in order, exit codes, restart policies, back-off."""
    init = {**shell("sleep 0.1; echo init"), "name": "i"}
    await world.pod("job", restartPolicy="Never", initContainers=[init], containers=[shell("exit 3")])
    await world.pod("loop", containers=[shell("echo once; exit 1")])
    once = "test -e /data/x && exit 0; touch /data/x; sh -c 'exit 1'; exit 9"
    mounted = shell(once, volumeMounts=[{"name": "d", "mountPath": "/data"}])
    await world.pod("again", restartPolicy="OnFailure", containers=[mounted], volumes=[{"name": "d", "emptyDir": {}}])

    async def settled() -> bool:
        phases = [(await world.status(name)).get("phase") for name in ("job", "again")]
        waiting = (await world.container("loop"))["state"].get("waiting", {})
        return phases == ["Failed", "Succeeded"] and waiting.get("reason") == "CrashLoopBackOff"

    await until(settled, "all three ends")
    job, loop, again = [await world.container(name) for name in ("job", "loop", "again")]
    assert job["state"]["terminated"]["exitCode"] == 3
    assert (await world.status("job"))["initContainerStatuses"][0]["state"]["terminated"]["reason"] == "Completed"
    assert (loop["restartCount"], loop["lastState"]["terminated"]["exitCode"]) == (1, 1)
    assert (again["restartCount"], again["lastState"]["terminated"]["exitCode"]) == (1, 9)
    before = agent_exec.logs(world.agent_socket, "shop", "loop", previous=True)
    previous = b"".join(await asyncio.to_thread(list, before))
    assert previous == b"once\n", previous


async def finished_pods_give_their_addresses_back(world: World) -> None:
    """A node of three addresses runs any number of pods that end. The next holder of an address has all of it."""
    PodAddresses.LAST = PodAddresses.FIRST + 2
    await world.pod("host", hostNetwork=True, restartPolicy="Never", containers=[shell("true")])
    for number in range(7):
        name = f"job-{number}"
        await world.pod(name, restartPolicy="Never", containers=[shell("true")])

        async def over(name: str = name) -> bool:
            return (await world.status(name)).get("phase") == "Succeeded"

        await until(over, f"the end of {name}")
    stated = [(await world.status(f"job-{number}"))["podIP"] for number in range(7)]
    assert len(set(stated)) == 3

    async def none() -> bool:
        return not any(name.startswith("pod-") for name in namespaces.names(world.run))

    async def unrouted() -> bool:
        return not await world.inside("node-1", "ip", "route", "show", "10.244.1.0/28", "type", "unicast")

    await until(none, "no network of pods that have ended")
    await until(unrouted, "no route to them")
    await world.pod("web")
    await world.pod("client", node="node-2")
    web, client = await world.ready("web"), await world.ready("client")
    assert web.status["podIP"] in stated
    assert (await world.ask(client, f"http://{web.status['podIP']}/"))["pod"] == "web"
    for number in range(7):
        await world.delete(f"job-{number}", 0)
        await world.gone(f"job-{number}")
    assert (await world.ask(client, f"http://{web.status['podIP']}/"))["pod"] == "web"


async def listens_where_its_manifest_says(world: World) -> None:
    """A stand-in answers on the ports of its probes, arguments and Services; of Services that come later, too."""
    container = {
        "name": "manager",
        "image": "example.com/operator:v2",
        "command": ["/manager"],
        "args": ["--metrics-bind-address=:8443"],
        "ports": [{"containerPort": 80}],
        "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8082, "scheme": "HTTPS"}, "periodSeconds": 1},
        "readinessProbe": {"grpc": {"port": 8083, "service": "judge"}, "periodSeconds": 1},
        "startupProbe": {"exec": {"command": ["no-such-program"]}, "periodSeconds": 1},
        "lifecycle": {"postStart": {"tcpSocket": {"port": 8084}}},
    }
    await world.pod("manager", containers=[container])
    manager = await world.ready("manager")
    ip = manager.status["podIP"]
    assert manager.status["containerStatuses"][0]["imageID"] == "sealane-stand-in://example.com/operator:v2"
    for port in (80, 8443, 8082, 8083, 8084):
        assert (await world.ask("node-2", f"http://{ip}:{port}/"))["port"] == port
    text = "on 80/TCP, 8082/TCP (livenessProbe), 8083/TCP (readinessProbe), 8084/TCP (postStart hook), 8443/TCP (its"
    assert any(text in said for _, said in await world.events("manager")), await world.events("manager")
    spec = {"selector": {"app": "manager"}, "ports": [{"port": 443, "targetPort": 9443}]}
    await world.client.create(kinds.SERVICE, {"metadata": {"name": "webhook", "namespace": "shop"}, "spec": spec})

    async def listens() -> bool:
        return "9443" in await world.inside("node-2", "curl", "-sk", "-m", "5", f"https://{ip}:9443/")

    await until(listens, "the targetPort of a Service that came later")
    await world.delete("manager", 0)
    await world.gone("manager")


async def what_needs_its_image_is_done_or_answered(world: World) -> None:
    """Neither a program that is in an image, nor a script that runs it, makes a pod fail."""
    image, volume = "example.com/app:v3", {"name": "p", "mountPath": "/plugins"}
    inits = [
        {"name": "migrate", "image": image, "command": ["bundle", "exec", "rake"]},
        {
            "name": "copy",
            "image": image,
            "command": ["sh", "-c", "cp /opt/plugins/* /plugins/"],
            "volumeMounts": [volume],
        },
        {
            "name": "own",
            "image": "alpine",
            "command": ["sh", "-c", "cp /opt/none/x /plugins/"],
            "volumeMounts": [volume],
        },
    ]
    serve = {"name": "app", "image": image, "command": ["bash", "-c", "exec bin/serve --port 3000"]}
    probed = shell("exec /app/server --listen=:81", name="tool", readinessProbe={"exec": {"command": ["pg_isready"]}})
    await world.pod("app", initContainers=inits, containers=[serve, probed], volumes=[{"name": "p", "emptyDir": {}}])
    await world.pod("absent", containers=[{"name": "c", "image": "busybox", "command": ["/app/no-such-program"]}])
    app = await world.ready("app")
    await world.ready("absent")
    assert [one["restartCount"] for one in app.status["containerStatuses"]] == [0, 0]
    for port, name in ((3000, "app"), (81, "tool")):
        assert (await world.ask("node-2", f"http://{app.status['podIP']}:{port}/"))["container"] == name
    template = {"spec": {"restartPolicy": "Never", "containers": [{"name": "c", "image": image}]}}
    owner = await world.client.create(
        kinds.JOB, {"metadata": {"name": "j", "namespace": "shop"}, "spec": {"template": template}}
    )
    job = {"apiVersion": "batch/v1", "kind": "Job", "name": "j", "uid": owner.uid, "controller": True}
    for name, container in (
        ("program", {"name": "c", "image": image, "args": ["migrate"]}),
        ("script", shell("exec /app/migrate")),
    ):
        spec = {"nodeName": "node-1", "restartPolicy": "Never", "containers": [container]}
        metadata = {"name": name, "namespace": "shop", "ownerReferences": [job]}
        await world.client.create(kinds.POD, {"metadata": metadata, "spec": spec})

    async def done() -> bool:
        return [(await world.status(name)).get("phase") for name in ("program", "script")] == ["Succeeded"] * 2

    await until(done, "programs of a Job taken as done")
    reasons = [reason for reason, _ in await world.events("app")]
    assert reasons.count("TakenAsDone") == 3, await world.events("app")
    assert "BackOff" not in reasons


async def probes_decide(world: World) -> None:
    """Readiness makes a pod ready and unready; liveness restarts; checks come from the node."""
    probe = {"httpGet": {"path": "/ready", "port": "http"}, "periodSeconds": 1}
    ports = [{"containerPort": 8080, "name": "http"}]
    await world.pod("web", containers=[{"name": "c", "image": "web", "ports": ports, "readinessProbe": probe}])
    web = await world.ready("web")

    async def probed() -> bool:
        return '10.244.1.1 "GET /ready HTTP/1.1" 200' in world.log(web)

    await until(probed, "the probe in the access log, from the node's address")
    flag = {"exec": {"command": ["test", "-e", "/tmp/ok"]}, "periodSeconds": 1, "failureThreshold": 1}
    await world.pod("flag", containers=[shell("touch /tmp/ok; sleep 1000", readinessProbe=flag)])
    await world.ready("flag")
    remove = ("shop", "flag", ["rm", "/tmp/ok"])
    assert await asyncio.to_thread(agent_exec.exec_in_pod, world.agent_socket, *remove) == 0

    async def unready() -> bool:
        return (await world.container("flag"))["ready"] is False

    await until(unready, "flag not ready any more")
    await world.pod("gated", readinessGates=[{"conditionType": "example.com/lb"}])

    async def gate_closed() -> bool:
        conditions = {one["type"]: one["status"] for one in (await world.status("gated")).get("conditions") or ()}
        return (conditions.get("ContainersReady"), conditions.get("Ready")) == ("True", "False")

    await until(gate_closed, "containers ready behind a closed gate")
    gate = {"status": {"conditions": [{"type": "example.com/lb", "status": "True"}]}}
    await world.client.patch(kinds.POD, "shop", "gated", gate, type="strategic", subresource="status")
    gated = await world.ready("gated")
    assert any(one["type"] == "example.com/lb" for one in gated.status["conditions"])
    broken = {"httpGet": {"path": "/?status=500", "port": "http"}, "periodSeconds": 1, "failureThreshold": 2}
    await world.pod("dead", containers=[{"name": "c", "image": "web", "ports": ports, "livenessProbe": broken}])

    async def restarted() -> bool:
        return bool((await world.container("dead")).get("restartCount", 0) >= 1)

    await until(restarted, "a restart")

    async def said() -> bool:
        return any(reason == "Unhealthy" and "500" in text for reason, text in await world.events("dead"))

    await until(said, "the Unhealthy event")


async def deletion_is_graceful(world: World) -> None:
    """While a pod is going it answers on; what is in flight is finished; then all of it is gone."""
    await world.pod("web")
    await world.pod("client", node="node-2")
    web, client = await world.ready("web"), await world.ready("client")
    url = f"http://{web.status['podIP']}/"
    slow = asyncio.create_task(world.ask(client, url + "?delay=3s"))
    await asyncio.sleep(0.3)
    began = time.monotonic()
    await world.delete("web")
    await asyncio.sleep(0.2)
    fields = await world.inside(client, "curl", "-si", "-m", "5", url)
    assert "Connection: close" in fields, fields
    await world.gone("web")
    assert 1.5 < time.monotonic() - began < 4
    assert (await slow)["pod"] == "web"
    assert f"pod-{web.uid}" not in namespaces.names(world.run)
    refused = await world.inside(client, "curl", "-sS", "-m", "2", url)
    assert "exit" in refused, refused
    hooks = {"postStart": {"exec": {"command": ["sh", "-c", "echo started >> /data/log"]}}}
    hooks["preStop"] = {"exec": {"command": ["sh", "-c", "echo stopping >> /data/log"]}}
    polite_script = "trap 'cat /data/log; exit 0' TERM; while :; do sleep 0.05; done"
    mounted = shell(polite_script, lifecycle=hooks, volumeMounts=[{"name": "d", "mountPath": "/data"}])
    await world.pod("hooked", containers=[mounted], volumes=[{"name": "d", "emptyDir": {}}])
    hooked = await world.ready("hooked")
    await world.delete("hooked", 10)
    assert await world.gone("hooked") < 2
    assert world.log(hooked) == "started\nstopping\n"
    await world.pod("sh", containers=[shell("trap 'echo bye; exit 0' TERM; while :; do sleep 0.05; done")])
    polite = await world.ready("sh")
    await asyncio.sleep(0.2)
    await world.delete("sh", 10)
    assert await world.gone("sh") < 2
    assert world.log(polite) == "bye\n"


async def _ask_often(world: World, client: Object, url: str) -> set[str]:
    return {(await world.ask(client, url))["pod"] for _ in range(60)}


async def crashes_are_survived(world: World) -> None:
    """The stand-ins process dies: what waits is answered by the next. The agent dies: pods keep their addresses."""
    probe = {"httpGet": {"port": 80}}
    image = {"name": "web", "image": "nginx", "ports": [{"containerPort": 80}], "readinessProbe": probe}
    await world.pod("web", containers=[image])
    await world.pod("client", node="node-2")
    await world.pod("cmd", containers=[shell("sleep 1000")])
    web, client, cmd = await world.ready("web"), await world.ready("client"), await world.ready("cmd")
    url = f"http://{web.status['podIP']}/"
    os.kill(world.stand_ins, signal.SIGKILL)
    os.waitpid(world.stand_ins, 0)
    waiting = asyncio.create_task(world.ask(client, url))
    await asyncio.sleep(0.3)
    assert not waiting.done()
    # A process with threads must not fork; the supervisor, which has none, does this in a cluster.
    imports = "import uvloop; from sealane.dataplane.pods import standins"
    script = f"{imports}; uvloop.run(standins.serve({world.handoff!r}))"

    successor = await asyncio.create_subprocess_exec(sys.executable, "-c", script)
    world.stand_ins = successor.pid
    assert (await waiting)["pod"] == "web"

    await world.stop_agent()
    assert (await world.ask(client, url))["pod"] == "web"  # served while no agent runs
    answering = asyncio.create_task(_ask_often(world, client, url))
    await world.start_agent(spawner.start())
    assert await answering == {"web"}  # while the sockets change hands

    async def again() -> bool:
        return bool((await world.container("cmd")).get("restartCount") == 1)

    await until(again, "the command to run again")
    assert (await world.ready("cmd")).status["podIP"] == cmd.status["podIP"]
    answers = [(await world.ask(client, url))["pod"] for _ in range(20)]
    assert answers == ["web"] * 20
    after = (await world.ready("web")).status
    for what in ("podIP", "startTime", "conditions", "containerStatuses"):
        assert after[what] == web.status[what], what  # it never was not ready
    await world.delete("web", 0)
    await world.gone("web")


async def exec_and_logs(world: World) -> None:
    """The agent socket: exit codes, the pod's namespaces, a terminal, signals, outside, refusals."""
    await world.pod("web")
    await world.pod("cmd", containers=[shell("echo one; echo two; sleep 1000")])
    await world.ready("web")
    await world.ready("cmd")

    async def run(function: Any, *args: Any, **more: Any) -> tuple[int, str]:
        path = world.folder / "output"
        with path.open("wb") as output:
            stdio = (os.open(os.devnull, os.O_RDONLY), output.fileno(), output.fileno())
            code = await asyncio.to_thread(function, world.agent_socket, *args, stdio=stdio, **more)
        return code, path.read_text()

    assert await run(agent_exec.exec_in_pod, "shop", "web", ["sh", "-c", "hostname; exit 7"]) == (7, "web\n")
    code, text = await run(
        agent_exec.exec_in_pod, "shop", "cmd", ["sh", "-c", "echo $X; cat /proc/1/cmdline"], env={"X": "y"}
    )
    assert code == 0
    assert text.startswith("y\nsh\0-c\0echo one"), text
    assert (await run(agent_exec.exec_in_pod, "shop", "cmd", ["sh", "-c", "kill -TERM $$"]))[0] == 143
    assert (await run(agent_exec.exec_in_pod, "shop", "cmd", ["test", "-t", "0"]))[0] == 1
    assert (await run(agent_exec.exec_in_pod, "shop", "cmd", ["test", "-t", "0"], terminal=True))[0] == 0
    code, text = await run(agent_exec.run_outside, ["sh", "-c", "pwd; curl -s http://172.18.0.1:1 || echo $?"], cwd="/")
    assert (code, text) == (0, "/\n7\n")
    for arguments, message in (
        (("shop", "nope", ["true"]), "pod shop/nope does not run"),
        (("shop", "cmd", ["no-such-program"]), r"No such file or directory \(no-such-program\)"),
    ):
        with pytest.raises(agent_exec.AgentError, match=message):
            await run(agent_exec.exec_in_pod, *arguments)

    def log(**more: Any) -> bytes:
        return b"".join(agent_exec.logs(world.agent_socket, "shop", "cmd", **more))

    assert await asyncio.to_thread(log) == b"one\ntwo\n"
    assert await asyncio.to_thread(log, tail=1) == b"two\n"
    following = asyncio.create_task(asyncio.to_thread(log, follow=True))
    await asyncio.sleep(0.3)
    assert not following.done()
    await world.delete("cmd", 0)
    assert await following == b"one\ntwo\n"
    assert Path(world.agent_socket).stat().st_mode & 0o777 == 0o600
