"""What manifests declare of programs that are not here: webhooks, Secrets and the like, on a running cluster."""

from __future__ import annotations

import pytest

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


def test_a_webhook_of_a_stand_in_is_passed_over_and_says_so(sealane: Cluster) -> None:
    sealane.kubectl("apply", "-f", "-", stdin=JUDGE).check()
    done = sealane.kubectl("create", "configmap", "after", "-n", "guarded", "--from-literal=a=b")
    assert done.ok, done.err
    assert 'Warning: webhook "judge.example.com" of judge is passed over' in done.err
    eventually(lambda: "PassedOver" in sealane.kubectl("get", "events", "-A").check().out)
