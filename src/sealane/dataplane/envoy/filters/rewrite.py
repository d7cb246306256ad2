"""Another host or path for the backend."""

from __future__ import annotations

import re

from envoy.config.route.v3 import route_components_pb2 as pb

from sealane.kube.regex import pattern
from sealane.network.routes.filters.rewrite import GROUP, PathEdit
from sealane.network.routes.model.matches import PathMatch


def edit_path(made: pb.RouteAction | pb.RedirectAction, edit: PathEdit, matched: PathMatch) -> None:
    prefix, pattern, substitution = path_edit(edit, matched)
    if pattern:
        made.regex_rewrite.pattern.regex = pattern
        made.regex_rewrite.substitution = substitution
    elif prefix:
        made.prefix_rewrite = prefix


def path_edit(edit: PathEdit, matched: PathMatch) -> tuple[str, str, str]:
    """(prefix_rewrite, or else regex, its substitution) with the outcome of `PathEdit.apply`."""
    if edit.kind == "captures":
        groups = pattern(matched.value).groups
        known = GROUP.sub(
            lambda group: f"\\{group[1]}" if int(group[1]) <= groups else "", edit.value.replace("\\", "\\\\")
        )
        return "", f"^(?:{matched.value})$", known
    if edit.kind == "full" or matched.kind != "prefix":
        return "", "^/.*$", edit.value.replace("\\", "\\\\")
    prefix, value = matched.value.rstrip("/"), edit.value.rstrip("/")
    if prefix and value:
        return value, "", ""
    if prefix:  # to the root: /cart/items -> /items, /cart -> /
        return "", f"^{re.escape(prefix)}/?", "/"
    return "", "^/", f"{value}/".replace("\\", "\\\\")
