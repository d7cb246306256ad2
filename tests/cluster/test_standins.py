"""What manifests declare of programs that are not here: webhooks, Secrets and the like, on a running cluster."""

from __future__ import annotations

import base64
import json
import re
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=2)

JUDGE = """
apiVersion: v1
kind: Namespace
metadata: {name: guarded, labels: {guard: "yes"}}
---
apiVersion: apps/v1
kind: Deployment
metadata: {name: judge, namespace: guarded}
spec:
  selector: {matchLabels: {app: judge}}
  template:
    metadata: {labels: {app: judge}}
    spec: {containers: [{name: c, image: "example.com/judge:v1", ports: [{containerPort: 9443}]}]}
---
apiVersion: v1
kind: Service
metadata: {name: judge, namespace: guarded}
spec: {selector: {app: judge}, ports: [{port: 443, targetPort: 9443}]}
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: judge}
webhooks:
- name: judge.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  failurePolicy: Fail
  clientConfig: {service: {name: judge, namespace: guarded, path: /}}
  namespaceSelector: {matchLabels: {guard: "yes"}}
  rules: [{apiGroups: [""], apiVersions: [v1], operations: [CREATE], resources: [configmaps]}]
"""


def test_a_fresh_cluster_warns_of_nothing(sealane: Cluster) -> None:
    sealane.kubectl("wait", "-n", "kube-system", "--for=condition=Available", "deploy/coredns", "--timeout=20s").check()
    assert "Scheduled" in sealane.kubectl("get", "events", "-n", "kube-system").check().out
    found = sealane.kubectl("get", "events", "-n", "kube-system", "--field-selector=type=Warning").check()
    assert "No resources found" in found.err, found.out


def test_a_webhook_of_a_stand_in_is_passed_over_and_says_so(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=JUDGE).check()
    done = sealane.kubectl("create", "configmap", "after", "-n", "guarded", "--from-literal=a=b")
    assert done.ok, done.err
    assert 'Warning: webhook "judge.example.com" of judge is passed over' in done.err
    eventually(lambda: "PassedOver" in sealane.kubectl("get", "events", "-A").check().out)


ADMISSION = """
apiVersion: v1
kind: Namespace
metadata: {name: admission}
---
apiVersion: batch/v1
kind: Job
metadata: {name: create, namespace: admission}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      containers:
      - name: create
        image: registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.6.9
        args: [create, "--host=judge,judge.$(POD_NAMESPACE).svc", --namespace=$(POD_NAMESPACE), --secret-name=certs]
        env: [{name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}]
---
apiVersion: batch/v1
kind: Job
metadata: {name: patch, namespace: admission}
spec:
  template:
    spec:
      restartPolicy: OnFailure
      containers:
      - name: patch
        image: registry.k8s.io/ingress-nginx/kube-webhook-certgen:v1.6.9
        args: [patch, --webhook-name=certain, --patch-mutating=false, --secret-name=certs]
---
apiVersion: v1
kind: Pod
metadata: {name: controller, namespace: admission}
spec:
  containers: [{name: c, image: example.com/controller, volumeMounts: [{name: certs, mountPath: /certs}]}]
  volumes: [{name: certs, secret: {secretName: certs}}]
---
apiVersion: admissionregistration.k8s.io/v1
kind: ValidatingWebhookConfiguration
metadata: {name: certain}
webhooks:
- name: certain.example.com
  admissionReviewVersions: [v1]
  sideEffects: None
  clientConfig: {service: {name: judge, namespace: admission, path: /}}
  rules: [{apiGroups: [example.com], apiVersions: [v1], operations: [CREATE], resources: [things]}]
"""


def test_certificates_of_a_webhook_are_made_with_the_clusters_ca(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=ADMISSION).check()
    for job in ("create", "patch"):
        sealane.kubectl("wait", "--for=condition=Complete", f"job/{job}", "-n", "admission", "--timeout=20s").check()
    sealane.kubectl("wait", "--for=condition=Ready", "pod/controller", "-n", "admission", "--timeout=20s").check()
    bundle = "jsonpath={.webhooks[0].clientConfig.caBundle}"
    hook = ("get", "validatingwebhookconfiguration", "certain", "-o", bundle)
    eventually(lambda: bool(sealane.kubectl(*hook).check().out))
    ca = base64.b64decode(sealane.kubectl(*hook).check().out)
    secret = sealane.kubectl("get", "secret", "certs", "-n", "admission", "-o", "jsonpath={.data}").check().out
    data = {key: base64.b64decode(value) for key, value in json.loads(secret).items()}
    assert data["ca"] == ca
    authority = x509.load_pem_x509_certificate(ca)
    certificate = x509.load_pem_x509_certificate(data["cert"])
    certificate.verify_directly_issued_by(authority)
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    assert names.get_values_for_type(x509.DNSName) == ["judge", "judge.admission.svc"]


WITHOUT = """
apiVersion: v1
kind: Pod
metadata: {name: without}
spec:
  containers:
  - name: c
    image: example.com/app
    envFrom: [{configMapRef: {name: settings}}]
    env: [{name: KEY, valueFrom: {secretKeyRef: {name: made-by-nobody, key: k}}}]
    volumeMounts: [{name: tls, mountPath: /tls}]
  volumes: [{name: tls, secret: {secretName: absent, items: [{key: tls.crt, path: tls.crt}]}}]
---
apiVersion: v1
kind: Pod
metadata: {name: waits}
spec:
  containers: [{name: c, image: busybox, command: [sleep, "99"], volumeMounts: [{name: tls, mountPath: /tls}]}]
  volumes: [{name: tls, secret: {secretName: absent}}]
"""


def test_a_stand_in_starts_without_what_nobody_makes_and_a_program_waits_for_it(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=WITHOUT).check()
    sealane.kubectl("wait", "--for=condition=Ready", "pod/without", "--timeout=20s").check()
    state = "jsonpath={.status.containerStatuses[0].state}"
    waits = json.loads(sealane.kubectl("get", "pod", "waits", "-o", state).check().out)
    assert waits == {"waiting": {"reason": "ContainerCreating"}}

    def said() -> str:
        return sealane.kubectl("get", "events", "-o", "custom-columns=:.reason,:.message", "--no-headers").check().out

    eventually(lambda: "StartedWithout" in said())
    events = said()
    assert re.search(r'FailedMount +MountVolume.SetUp failed for volume "tls" : secret "absent" not found', events)
    for what in ('secret "absent" not found', 'configmap "settings" not found', 'secret "made-by-nobody" not found'):
        assert re.search(rf"StartedWithout .*{what}", events), events


UNDECLARED = """
apiVersion: v1
kind: Pod
metadata: {name: operator, labels: {app: operator}}
spec: {containers: [{name: c, image: example.com/operator, readinessProbe: {httpGet: {port: 8081}, periodSeconds: 1}}]}
---
apiVersion: v1
kind: Service
metadata: {name: operator}
spec: {selector: {app: operator}, ports: [{port: 443, targetPort: 9443}]}
---
apiVersion: v1
kind: Pod
metadata: {name: asks}
spec: {containers: [{name: c, image: busybox, command: [sleep, "999"]}]}
"""


def test_trace_and_verify_know_where_a_stand_in_listens(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=UNDECLARED).check()
    sealane.kubectl("wait", "--for=condition=Ready", "pod/operator", "pod/asks", "--timeout=20s").check()
    traced = sealane.sealane("trace", "pod/asks", "operator:443")
    assert traced.ok, traced.out
    assert "operator listens on 9443/TCP (Service operator)" in " ".join(traced.out.split())
    verified = sealane.sealane("verify", "-o", "json")
    assert verified.ok, verified.out
    assert json.loads(verified.out)["disagreements"] == []


MISTAKES = """
apiVersion: v1
kind: Pod
metadata: {name: mistyped}
spec: {containers: [{name: c, image: busybox, command: [slepp, "99"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: mistyped-in-a-script}
spec: {containers: [{name: c, image: alpine, command: [sh, -c, "slepp 99"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: mistyped-once}
spec: {restartPolicy: Never, containers: [{name: c, image: debian, command: [slepp, "99"]}]}
---
apiVersion: v1
kind: Pod
metadata: {name: needs-its-image}
spec: {containers: [{name: c, image: debian, command: [sh, -c, "exec /app/server"]}]}
"""


def test_a_mistyped_command_fails_as_in_kubernetes_and_what_an_image_has_is_answered(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=MISTAKES).check()

    def status(pod: str) -> Any:
        return sealane.get("pod", pod, "default")["status"]["containerStatuses"][0]

    def fails(pod: str, code: int, reason: str) -> bool:
        found = status(pod)
        assert found["state"].get("waiting", {}).get("reason") == "CrashLoopBackOff", found
        ended = found["lastState"]["terminated"]
        return (ended["exitCode"], ended["reason"]) == (code, reason)

    eventually(lambda: fails("mistyped", 128, "StartError"))
    said = status("mistyped")["lastState"]["terminated"]["message"]
    assert said.endswith('exec: "slepp": executable file not found in $PATH')
    eventually(lambda: fails("mistyped-in-a-script", 127, "Error"))
    sealane.kubectl("wait", "--for=jsonpath={.status.phase}=Failed", "pod/mistyped-once", "--timeout=20s").check()
    sealane.kubectl("wait", "--for=condition=Ready", "pod/needs-its-image", "--timeout=20s").check()
    eventually(lambda: status("needs-its-image")["imageID"].startswith("sealane-stand-in://"))


CHECKED = """
apiVersion: v1
kind: Pod
metadata: {name: checked}
spec: {containers: [{name: c, image: example.com/db, readinessProbe: {exec: {command: ["false"]}, periodSeconds: 1}}]}
"""


def test_exec_probes_of_a_stand_in_pass_whatever_is_here_unless_they_are_strict(
    sealane: Cluster, tmp_path: Path
) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=CHECKED).check()
    sealane.kubectl("wait", "--for=condition=Ready", "pod/checked", "--timeout=20s").check()
    strict = Cluster("strict", {"SEALANE_HOME": str(tmp_path / "home")})
    up = ("--strict-probes", "--nodes", "1", "--dns-upstream", "none", "-", "--timeout", "4")
    try:
        done = strict.sealane("up", *up, stdin=CHECKED)
        assert (done.code, "checked" in done.err) == (1, True)
        events = strict.kubectl("get", "events", "--field-selector=reason=Unhealthy").check()
        assert "Readiness probe failed" in events.out
    finally:
        strict.stop()
