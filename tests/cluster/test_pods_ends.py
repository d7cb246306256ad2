"""How pods end: deadlines and last words."""

from __future__ import annotations

import pytest

from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=1)

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: late}
spec:
  activeDeadlineSeconds: 1
  terminationGracePeriodSeconds: 0
  containers: [{name: c, image: busybox, command: [sleep, "1000"]}]
---
apiVersion: v1
kind: Pod
metadata: {name: speaks}
spec:
  restartPolicy: Never
  containers:
  - {name: file, image: busybox, command: [sh, -c, "echo from the file > /dev/termination-log; exit 3"]}
  - name: log
    image: busybox
    terminationMessagePolicy: FallbackToLogsOnError
    command: [sh, -c, "echo from the log; exit 4"]
  - {name: other, image: busybox, terminationMessagePath: /tmp/why, command: [sh, -c, "printf elsewhere > /tmp/why"]}
"""


def test_a_pod_past_its_deadline_fails(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=PODS).check()
    sealane.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/late", "--timeout=30s").check()
    status = sealane.get("pod", "late", "default")["status"]
    assert status["reason"] == "DeadlineExceeded"
    assert status["message"] == "Pod was active on the node longer than the specified deadline"
    eventually(lambda: "terminated" in sealane.get("pod", "late", "default")["status"]["containerStatuses"][0]["state"])


def test_what_a_program_leaves_to_say_is_in_the_status(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=PODS).check()
    sealane.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/speaks", "--timeout=30s").check()
    statuses = sealane.get("pod", "speaks", "default")["status"]["containerStatuses"]
    said = {one["name"]: one["state"]["terminated"].get("message") for one in statuses}
    assert said == {"file": "from the file\n", "log": "from the log\n", "other": "elsewhere"}
