"""Other users of the machine: what they reach of a cluster, and nothing of a private one."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Iterator

import pytest
from hosts import Lab, lab_of
from users import NOBODY, as_nobody

from sealane.testing.cluster import eventually

pytestmark = [as_nobody, pytest.mark.skipif(os.getuid() != 0, reason="becomes two users, which only root can")]

WEB = """
apiVersion: v1
kind: Pod
metadata: {name: web, labels: {app: web}}
spec: {containers: [{name: c, image: "web:1", ports: [{containerPort: 8080}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: web}
spec: {type: LoadBalancer, selector: {app: web}, ports: [{port: 8080}]}
"""
OTHER = 60001


@pytest.fixture(scope="module", params=["root", "nobody"])
def lab(request: pytest.FixtureRequest) -> Iterator[Lab]:
    with lab_of(request.param, "--private") as found:
        found.sealane("up", "-", stdin=WEB).check()
        yield found


def curl(user: int, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["curl", "-sS", "-m", "5", *arguments],
        user=user,
        group=user,
        extra_groups=[],
        env={"PATH": os.environ["PATH"]},
        capture_output=True,
        text=True,
        timeout=30,
        cwd="/",
    )


def state(lab: Lab) -> dict[str, object]:
    return dict(json.loads(lab.sealane("status", "--name", "sealane", "-o", "json").check().out))


def test_a_mirror_serves_its_owner(lab: Lab) -> None:
    reachable = eventually(lambda: state(lab)["reachable"])
    url = f"http://{reachable[0]['host']}/"  # type: ignore[index]
    eventually(lambda: curl(lab.account.pw_uid, url).returncode == 0)
    for other in {OTHER, 0, NOBODY} - {lab.account.pw_uid}:
        refused = curl(other, url)
        assert refused.returncode != 0
        assert '"pod"' not in refused.stdout


def test_the_proxy_asks_for_a_password(lab: Lab) -> None:
    proxy = str(state(lab)["proxy"])
    scheme, _, rest = proxy.partition("://")
    credentials, _, address = rest.rpartition("@")
    user, _, password = credentials.partition(":")
    assert (scheme, user) == ("socks5h", "sealane")
    assert len(password) >= 20
    assert f"ALL_PROXY={proxy}" in lab.sealane("status").check().out
    url = "http://web.default.svc.cluster.local:8080/"
    assert '"pod"' in curl(OTHER, "-x", proxy, url).stdout
    for wrong in (f"socks5h://{address}", f"socks5h://sealane:x@{address}", f"socks5h://x:{password}@{address}"):
        refused = curl(lab.account.pw_uid, "-x", wrong, url)
        assert refused.returncode != 0
        assert '"pod"' not in refused.stdout
