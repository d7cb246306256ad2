"""Cloud annotations."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from sealane.kube.objects import Object
from sealane.network.services.annotations import as_markdown, unhonoured, wants_internal


def service(**annotations: str) -> Object:
    given = {f"service.beta.kubernetes.io/{name.replace('_', '-')}": value for name, value in annotations.items()}
    return Object({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web", "annotations": given}})


@pytest.mark.parametrize(
    ("of", "expected"),
    [
        (service(), False),
        (service(aws_load_balancer_scheme="internal"), True),
        (service(aws_load_balancer_scheme="internet-facing"), False),
        (service(aws_load_balancer_internal="true"), True),
        (service(azure_load_balancer_internal="true"), True),
        (service(azure_load_balancer_internal="false"), False),
    ],
)
def test_internal(of: Object, expected: bool) -> None:
    assert wants_internal(of) is expected


def test_each_annotation_without_effect_is_explained() -> None:
    assert unhonoured(service(aws_load_balancer_internal="true")) == ()
    found = unhonoured(service(azure_dns_label_name="shop", aws_load_balancer_type="nlb", aws_load_balancer_moon="1"))
    assert len(found) == 3
    assert found[0] == "service.beta.kubernetes.io/aws-load-balancer-moon is not known"
    assert "aws-load-balancer-type (AWS: the kind of load balancer) has no meaning here" in found[1]
    assert "azure-dns-label-name (Azure: a public DNS name) is not honoured" in found[2]


def test_the_document_is_the_table() -> None:
    document = Path(__file__).parents[3] / "docs/annotations.md"
    if os.environ.get("UPDATE_GOLDEN"):
        document.write_text(as_markdown())
    assert document.read_text() == as_markdown()
