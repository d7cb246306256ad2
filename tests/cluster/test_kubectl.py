"""kubectl on a whole cluster: what only the joint of the API and the nodes can answer."""

from __future__ import annotations

import pytest

from sealane.testing.cluster import Cluster, eventually

PODS = """
apiVersion: v1
kind: Pod
metadata: {name: talker}
spec:
  containers:
  - {name: one, image: busybox, command: [sh, -c, 'echo first; echo second; exec sleep infinity']}
  - {name: two, image: busybox, command: [sh, -c, 'echo other; exec sleep infinity']}
"""
pytestmark = pytest.mark.sealane(nodes=2)


@pytest.fixture(scope="module", autouse=True)
def pods(sealane: Cluster) -> None:
    sealane.apply(PODS)


def test_logs_of_a_container(sealane: Cluster) -> None:
    eventually(lambda: sealane.kubectl("logs", "talker", "-c", "one").check().out == "first\nsecond\n")
    assert sealane.kubectl("logs", "talker", "-c", "one", "--tail", "1").check().out == "second\n"
    everything = sealane.kubectl("logs", "talker", "--all-containers", "--prefix").check().out
    assert "[pod/talker/one] first" in everything
    assert "[pod/talker/two] other" in everything


def test_logs_that_are_not_there_are_refused_in_one_line(sealane: Cluster) -> None:
    done = sealane.kubectl("logs", "talker", "-c", "one", "--previous")
    assert (done.code, done.err.count("\n")) == (1, 1)
    assert 'previous terminated container "one" in pod "talker" not found' in done.err.replace("'", '"')


def test_events_of_a_pod_are_told_in_the_order_in_which_they_happened(sealane: Cluster) -> None:
    def reasons() -> list[str]:
        described = sealane.kubectl("describe", "pod", "talker").check().out
        return [line.split()[1] for line in described.partition("Events:")[2].splitlines()[3:]]

    assert eventually(lambda: reasons() if len(reasons()) >= 5 else [])[0] == "Scheduled"
    assert reasons()[-1] == "Started"


@pytest.mark.parametrize(
    "words",
    [
        "namespace n1",
        "deployment d --image nginx --port 80",
        "job j --image busybox -- true",
        "role r --verb get --resource pods",
        "poddisruptionbudget p --selector app=web --min-available 1",
        "quota q --hard pods=3",
    ],
)
def test_generators(sealane: Cluster, words: str) -> None:
    assert sealane.kubectl("create", *words.split()).check().out.endswith(" created\n")


def test_a_generated_autoscaler_says_what_was_asked_for(sealane: Cluster) -> None:
    sealane.kubectl("autoscale", "deployment", "d", "--max", "3", "--cpu-percent", "50").check()
    spec = sealane.get("hpa", "d", "default")["spec"]
    assert (spec["maxReplicas"], spec["scaleTargetRef"]["name"]) == (3, "d")
    assert spec["metrics"][0]["resource"]["target"] == {"type": "Utilization", "averageUtilization": 50}


LAMPS = """
apiVersion: apiextensions.k8s.io/v1
kind: CustomResourceDefinition
metadata: {name: lamps.example.com}
spec:
  group: example.com
  scope: Namespaced
  names: {plural: lamps, singular: lamp, kind: Lamp}
  versions: [{name: v1, served: true, storage: true, schema: {openAPIV3Schema: {type: object}}}]
"""
LAMP = """
apiVersion: example.com/v1
kind: Lamp
metadata: {name: desk}
"""


def test_up_takes_objects_of_kinds_that_the_cluster_knows(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=LAMPS).check()
    eventually(lambda: sealane.sealane("up", "-", stdin=LAMP).check().ok)
    assert sealane.get("lamp", "desk", "default")
