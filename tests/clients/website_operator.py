"""An operator written with kopf, run by test_kopf.py as a process: a Website gets a Deployment and a Service."""

from __future__ import annotations

from typing import Any

import kopf
from kubernetes import client, config


@kopf.on.startup()
def login(settings: kopf.OperatorSettings, **_: Any) -> None:
    config.load_kube_config()
    settings.persistence.finalizer = "example.com/website"
    settings.posting.level = 20
    settings.networking.request_timeout = 30


@kopf.on.create("example.com", "v1", "websites")
@kopf.on.update("example.com", "v1", "websites", field="spec")
def reconcile(spec: kopf.Spec, body: kopf.Body, name: str, namespace: str, patch: kopf.Patch, **_: Any) -> None:
    labels = {"website": name}
    deployment: dict[str, Any] = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": name},
        "spec": {
            "replicas": spec["replicas"],
            "selector": {"matchLabels": labels},
            "template": {
                "metadata": {"labels": labels},
                "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]},
            },
        },
    }
    kopf.adopt(deployment)
    apps = client.AppsV1Api()
    try:
        apps.create_namespaced_deployment(namespace, deployment)
    except client.exceptions.ApiException as error:
        if error.status != 409:
            raise
        apps.patch_namespaced_deployment(name, namespace, {"spec": {"replicas": spec["replicas"]}})
    patch.status["wanted"] = spec["replicas"]
    kopf.info(body, reason="Reconciled", message=f"{spec['replicas']} replicas")


@kopf.timer("example.com", "v1", "websites", interval=1.0)
def count(patch: kopf.Patch, status: kopf.Status, **_: Any) -> None:
    patch.status["ticks"] = int(status.get("ticks", 0)) + 1


@kopf.on.delete("example.com", "v1", "websites")
def farewell(name: str, namespace: str, **_: Any) -> None:
    client.CoreV1Api().create_namespaced_config_map(namespace, {"metadata": {"name": f"farewell-{name}"}})
