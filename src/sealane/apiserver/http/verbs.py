"""Requests about resources, as calls of the `Api`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from contextlib import aclosing

import msgspec
from aiohttp import web

from sealane.apiserver import errors
from sealane.apiserver.admission.attempts import Operation
from sealane.apiserver.api import Api
from sealane.apiserver.http import negotiation, render, watching
from sealane.apiserver.http.negotiation import form_of
from sealane.apiserver.http.options import check_duplicates, deletion_options, list_options, write_options
from sealane.apiserver.http.render import PLAIN, Form
from sealane.apiserver.pods.eviction import evict
from sealane.apiserver.pods.logs import log_options
from sealane.apiserver.pods.streams.asked import stream_options
from sealane.apiserver.registry.resources import Served
from sealane.apiserver.requests import Target, body_of, object_in, user_of
from sealane.apiserver.storage.listing import Page, parsed_version
from sealane.apiserver.storage.values import Stored
from sealane.apiserver.write import Write
from sealane.kube.client.protocol import ApiError, PatchType
from sealane.kube.objects import Object, Raw

_PATCH_TYPES: dict[str, PatchType] = {
    "application/json-patch+json": "json",
    "application/merge-patch+json": "merge",
    "application/strategic-merge-patch+json": "strategic",
}
_OPERATIONS = 10_000
_APPLY_TYPES = ("application/apply-patch+yaml", "application/apply-patch+cbor")


class Verbs:
    """Answers every request whose path is about a resource."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def answer(self, request: web.BaseRequest, target: Target) -> web.StreamResponse:
        served = self._api.resources.find(target.group, target.version, target.plural)
        if served.kind.namespaced and target.namespace is None and (target.name or request.method == "POST"):
            raise errors.no_path()
        if not served.kind.namespaced and target.namespace is not None:
            raise errors.no_path()
        if served.kind.namespaced and target.namespace is None and request.method == "DELETE":
            raise errors.method_not_allowed()  # collections are deleted a namespace at a time
        handler = (_ONE if target.name else _MANY).get(request.method)
        if target.subresource:
            if target.subresource not in served.kind.subresources:
                raise errors.no_path()
            if target.subresource not in _PLAIN_PARTS:
                handler = _PARTS.get((served.kind.plural, target.subresource, request.method))
        if handler is None:
            raise errors.method_not_allowed()
        response = await handler(self, request, served, target)
        if served.deprecation and not response.prepared:
            response.headers.add("Warning", negotiation.warning_header(served.deprecation))
        return response

    # One object

    async def _get(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        form = form_of(request, served.kind)
        stored = await self._api.get(
            served.kind,
            target.namespace or "",
            target.name,
            subresource=target.subresource,
            not_older_than=parsed_version(request.query.get("resourceVersion", "")),
        )
        return await _object(request, form, served, stored)

    async def _update(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        form, raw = form_of(request, served.kind), object_in(await body_of(request, nulls=not served.by_facts))
        options = write_options(request, "UpdateOptions")
        await check_duplicates(request, served.kind, options)
        stored, made = await self._api.put(
            served.kind,
            target.namespace or "",
            target.name,
            raw,
            subresource=target.subresource,
            options=options,
        )
        return await _object(request, form, served, stored, options, 201 if made else 200)

    async def _patch(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        form, patch = form_of(request, served.kind), await body_of(request)
        if request.content_type in _APPLY_TYPES:
            return await self._apply(request, served, target, form, object_in(patch))
        patch_type = _PATCH_TYPES.get(request.content_type)
        if patch_type is None:
            raise ApiError(
                415,
                "UnsupportedMediaType",
                f"the body of the request was in an unknown format - accepted media types include: "
                f"{', '.join((*_PATCH_TYPES, *_APPLY_TYPES))}",
            )
        if patch_type == "json" and isinstance(patch, list) and len(patch) > _OPERATIONS:
            why = f"The allowed maximum operations in a JSON patch is {_OPERATIONS}, got {len(patch)}"
            raise ApiError(413, "RequestEntityTooLarge", f"Request entity too large: {why}")
        options = write_options(request, "PatchOptions")
        stored = await self._api.patch(
            served.kind,
            target.namespace or "",
            target.name,
            patch,
            type=patch_type,
            subresource=target.subresource,
            options=options,
        )
        return await _object(request, form, served, stored, options)

    async def _apply(
        self, request: web.BaseRequest, served: Served, target: Target, form: Form, config: Raw
    ) -> web.StreamResponse:
        options = write_options(request, "PatchOptions", applies=True)
        stored, new = await self._api.apply(
            served.kind,
            target.namespace or "",
            target.name,
            config,
            subresource=target.subresource,
            options=options,
        )
        return await _object(request, form, served, stored, options, 201 if new else 200)

    async def _delete(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        options = deletion_options(request, await body_of(request))
        stored, gone = await self._api.delete(served.kind, target.namespace or "", target.name, options)
        if not gone or served.definition.shown_when_deleted:
            return await _object(request, PLAIN, served, stored)
        details = {"name": target.name, "kind": served.kind.plural, "uid": stored.object.uid}
        if served.kind.group:
            details["group"] = served.kind.group
        return _success(200, details)

    # Parts of an object

    async def _bind(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        binding = object_in(await body_of(request))
        await self._api.bind(target.namespace or "", target.name, binding, write_options(request, "CreateOptions"))
        return _success(201)

    async def _token(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        asked = object_in(await body_of(request))
        answer = await self._api.account_token(target.namespace or "", target.name, asked)
        return _json(msgspec.json.encode(answer), 201)

    async def _evict(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        eviction = object_in(await body_of(request))
        options = deletion_options(request, eviction.get("deleteOptions"))
        pod = (await self._api.get(served.kind, target.namespace or "", target.name)).object
        eviction = await self._part(
            request, "CREATE", target, {"apiVersion": "policy/v1", "kind": "Eviction", **eviction}, options.dry_run
        )
        await evict(self._api, pod, eviction, options)
        return _success(201)

    async def _log(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        query = request.query
        pod = (await self._api.get(served.kind, target.namespace or "", target.name)).object
        container = container_of(pod, query.get("container", ""))
        options = log_options(pod.name, query)
        if self._api.log_reader is None:
            raise ApiError(501, "NotImplemented", "this server has no logs of pods: sealane logs shows them")
        if not pod.spec.get("nodeName"):
            return web.Response(content_type="text/plain")  # as kube-apiserver, which has no kubelet to ask
        lines = self._api.log_reader(pod.namespace, pod.name, container, options)
        response = web.StreamResponse(headers={"Content-Type": "text/plain"})
        response.enable_chunked_encoding()
        try:
            async with aclosing(lines) as chunks:  # type: ignore[type-var]  # an async generator, or as good as one
                first = await anext(chunks, b"")  # what the reader refuses is refused before the answer begins
                await response.prepare(request)
                if first:
                    await response.write(first)
                async for chunk in chunks:
                    await response.write(chunk)
            await response.write_eof()
        except ConnectionError:
            pass  # the client is gone
        return response

    async def _stream(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        pod = (await self._api.get(served.kind, target.namespace or "", target.name)).object
        if self._api.streams is None:
            raise ApiError(501, "NotImplemented", "this server has no streams into pods")
        if not pod.spec.get("nodeName"):
            raise errors.bad_request(f"pod {pod.name} does not have a host assigned")
        await self._part(request, "CONNECT", target, stream_options(target.subresource, request.query))
        from sealane.apiserver.pods.streams import commands, ports  # much to import that a start need not wait for

        if target.subresource == "portforward":
            return await ports.serve(request, self._api.streams, pod)
        container = container_of(pod, request.query.get("container", ""))
        return await commands.serve(request, self._api.streams, target.subresource, pod, container)

    async def _proxy(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        from sealane.apiserver.pods import proxy  # few clients ask for it

        path, options = proxy.path_of(request.rel_url.raw_path), Write(user=user_of(request))
        asked = proxy.options(target, path)
        await self._api.part("CONNECT", target.namespace or "", target.name, "proxy", asked, options, served.kind)
        return await proxy.serve(request, self._api, target, path)

    async def _part(
        self, request: web.BaseRequest, operation: Operation, target: Target, part: Raw, dry_run: bool = False
    ) -> Raw:
        """A part of a pod after its webhooks."""
        options = Write(dry_run=dry_run, user=user_of(request))
        return await self._api.part(operation, target.namespace or "", target.name, target.subresource, part, options)

    # Collections

    async def _list(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        query = request.query
        options = list_options(query)
        form = form_of(request, served.kind, options.watch)
        labels, fields = query.get("labelSelector", ""), query.get("fieldSelector", "")
        if options.watch:
            return await watching.serve(request, self._api, served, target.namespace, options, form, labels, fields)
        page = await self._api.page(served.kind, target.namespace, options, labels=labels, fields=fields)
        return await negotiation.answer(request, render.many(form, served, page), form.media)

    async def _create(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        form, raw = form_of(request, served.kind), object_in(await body_of(request, nulls=not served.by_facts))
        options = write_options(request, "CreateOptions")
        await check_duplicates(request, served.kind, options)
        stored = await self._api.create(served.kind, target.namespace or "", raw, options)
        return await _object(request, form, served, stored, options, 201)

    async def _delete_many(self, request: web.BaseRequest, served: Served, target: Target) -> web.StreamResponse:
        options = deletion_options(request, await body_of(request))
        items = await self._api.delete_collection(
            served.kind,
            target.namespace,
            labels=request.query.get("labelSelector", ""),
            fields=request.query.get("fieldSelector", ""),
            options=options,
            limits=list_options(request.query),
        )
        return await negotiation.answer(request, render.many(PLAIN, served, Page(items, self._api.store.version)))


_Handler = Callable[[Verbs, web.BaseRequest, Served, Target], Awaitable[web.StreamResponse]]
_ONE: dict[str, _Handler] = {
    "GET": Verbs._get,
    "PUT": Verbs._update,
    "PATCH": Verbs._patch,
    "DELETE": Verbs._delete,
}
_MANY: dict[str, _Handler] = {"GET": Verbs._list, "POST": Verbs._create, "DELETE": Verbs._delete_many}


_PLAIN_PARTS = frozenset({"status", "scale", "approval"})
"""Subresources that are read and written as the object is."""
_PARTS: dict[tuple[str, str, str], _Handler] = {
    ("namespaces", "finalize", "PUT"): Verbs._update,
    ("serviceaccounts", "token", "POST"): Verbs._token,
    ("pods", "ephemeralcontainers", "GET"): Verbs._get,
    ("pods", "ephemeralcontainers", "PUT"): Verbs._update,
    ("pods", "ephemeralcontainers", "PATCH"): Verbs._patch,
    ("pods", "binding", "POST"): Verbs._bind,
    ("pods", "eviction", "POST"): Verbs._evict,
    ("pods", "log", "GET"): Verbs._log,
    **{
        ("pods", name, method): Verbs._stream
        for name in ("exec", "attach", "portforward")
        for method in ("GET", "POST")
    },
    **{
        (plural, "proxy", method): Verbs._proxy
        for plural in ("pods", "services")
        for method in ("GET", "HEAD", "OPTIONS", "POST", "PUT", "PATCH", "DELETE")
    },
}


def container_of(pod: Object, asked: str) -> str:
    """The container that a request is about. Raises ApiError 400 when it has to name one, or names another pod's."""
    spec = pod.spec
    containers = [each["name"] for each in spec.get("containers") or ()]
    every = [each["name"] for key in ("initContainers", "ephemeralContainers") for each in spec.get(key) or ()]
    if not asked:
        if len(containers) == 1:
            return str(containers[0])
        asked = pod.annotations.get("kubectl.kubernetes.io/default-container", "")
        if not asked:
            choices = " ".join(containers)
            raise errors.bad_request(
                f"a container name must be specified for pod {pod.name}, choose one of: [{choices}]"
            )
    if asked not in containers + every:
        raise errors.bad_request(f"container {asked} is not valid for pod {pod.name}")
    return asked


def _success(code: int, details: Raw | None = None) -> web.Response:
    status: Raw = {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success"}
    if details:
        status["details"] = details
    else:
        status["code"] = code
    return _json(msgspec.json.encode(status), code)


async def _object(
    request: web.BaseRequest,
    form: Form,
    served: Served,
    stored: Stored,
    options: Write | None = None,
    status: int = 200,
) -> web.Response:
    warnings = (options.warnings if options is not None else None) or ()
    return await negotiation.answer(request, render.one(form, served, stored), form.media, status, warnings)


def _json(body: bytes, status: int = 200) -> web.Response:
    return web.Response(body=body, status=status, content_type="application/json")
