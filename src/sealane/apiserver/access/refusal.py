"""The refusal of what a user may not do, in the words that kubectl users know.

Source: k8s.io/apiserver/pkg/endpoints/handlers/responsewriters (errors.go)
"""

from __future__ import annotations

from sealane.apiserver.access.action import Action
from sealane.kube.client.protocol import ApiError


def not_allowed(action: Action, reason: str = "") -> ApiError:
    """403 for what the user of `action` may not do: k8s.io/apiserver/pkg/endpoints/handlers/responsewriters."""
    why = f"{denied(action)}: {reason}" if reason else denied(action)
    if action.path:
        return ApiError(403, "Forbidden", f"forbidden: {why}", {})
    what = f"{action.resource}.{action.group}" if action.group else action.resource
    details = {"kind": action.resource}
    if action.name:
        what, details["name"] = f'{what} "{action.name}"', action.name
    if action.group:
        details["group"] = action.group
    return ApiError(403, "Forbidden", f"{what} is forbidden: {why}", details)


def denied(action: Action) -> str:
    """Why, in the words of k8s.io/apiserver/pkg/endpoints/handlers/responsewriters (forbiddenMessage)."""
    who = f'User "{action.user.name}" cannot {action.verb}'
    if action.path:
        return f'{who} path "{action.path}"'
    what = f'{who} resource "{action.full_resource}" in API group "{action.group}"'
    if action.namespace:
        return f'{what} in the namespace "{action.namespace}"'
    return f"{what} at the cluster scope"
