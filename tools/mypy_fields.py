"""A plugin of mypy: `spec.get("prots")` is an error when no field of the TypedDict `spec` has that name.

By itself mypy finds a mistyped name in `spec["prots"]` only, and takes what `get` answers for an object of any kind.
"""

from __future__ import annotations

from collections.abc import Callable

from mypy.errorcodes import TYPEDDICT_ITEM
from mypy.nodes import StrExpr
from mypy.plugin import MethodContext, Plugin
from mypy.plugins.default import typed_dict_get_callback
from mypy.types import Type, TypedDictType


class Fields(Plugin):
    def get_method_hook(self, fullname: str) -> Callable[[MethodContext], Type] | None:
        return checked_get if fullname == "typing.Mapping.get" else None


def checked_get(ctx: MethodContext) -> Type:
    key = ctx.args[0][0] if ctx.args and ctx.args[0] else None
    if isinstance(ctx.type, TypedDictType) and isinstance(key, StrExpr) and key.value not in ctx.type.items:
        shape = ctx.type.fallback.type.name
        ctx.api.fail(f'TypedDict "{shape}" has no key "{key.value}"', ctx.context, code=TYPEDDICT_ITEM)
    return typed_dict_get_callback(ctx)


def plugin(version: str) -> type[Plugin]:
    return Fields
