"""APIService: https://kubernetes.io/docs/reference/kubernetes-api/cluster-resources/api-service-v1/

Source: k8s.io/kube-aggregator/pkg/apis/apiregistration/validation
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_port, check_text
from sealane.kube.problems import Part, Problem

_GROUPS = 20_000
_VERSIONS = 1_000


def check_api_service(obj: Part) -> Iterator[Problem]:
    spec, name = obj["spec"], obj["metadata"]["name"]
    wanted = f"{spec.text('version')}.{spec.text('group')}"
    if isinstance(name.value, str) and name.value != wanted:
        yield name.invalid(f'must be `spec.version+"."+spec.group`: "{wanted}"')
    if spec["version"].empty:
        yield spec["version"].required()
    yield from check_text(spec["version"], names.dns_1035_label)
    yield from check_text(spec["group"], names.dns_subdomain)
    for field, most in (("groupPriorityMinimum", _GROUPS), ("versionPriority", _VERSIONS)):
        number = spec.number(field)
        if number is not None and not 0 < number <= most:
            yield spec[field].invalid(f"must be positive and less than {most}")
    service = spec["service"]
    if not service.present:
        if not spec["caBundle"].empty:
            yield spec["caBundle"].invalid("local APIServices may not have a caBundle", "")
        if spec["insecureSkipTLSVerify"].value is True:
            yield spec["insecureSkipTLSVerify"].invalid("local APIServices may not have insecureSkipTLSVerify")
        return
    for field in ("namespace", "name"):
        if service[field].empty:
            yield service[field].required()
    yield from check_port(service["port"], None)
    if spec["insecureSkipTLSVerify"].value is True and not spec["caBundle"].empty:
        why = "may not be true if caBundle is present"
        yield spec["insecureSkipTLSVerify"].invalid(why)
