"""Requests that another service lets through.

Envoy's own filter (ext_authz) takes the lists of headers for a whole listener only, so this is a script. Whatever goes
wrong in it denies.
"""

from __future__ import annotations

from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.lua.v3 import lua_pb2
from google.protobuf import struct_pb2

from sealane.dataplane.envoy import names
from sealane.kube.objects import Key
from sealane.network.routes.backends import of_mirror
from sealane.network.routes.filters.external_auth import ALWAYS_SENT, ExternalAuth

FILTER = "sealane.external_auth"
TIMEOUT = 10_000
"""Milliseconds until an authorizer that says nothing denies."""
_NAME = "ask"


def shared() -> lua_pb2.Lua:
    """The filter, which does nothing where no route has it."""
    code = base_pb2.DataSource(inline_string=_LUA)
    # What the authorizer adds must not choose another route, which nobody has asked about.
    return lua_pb2.Lua(source_codes={_NAME: code}, clear_route_cache={"value": False})


def per_route(auth: ExternalAuth, proxy: Key) -> lua_pb2.LuaPerRoute:
    """The configuration of a route."""
    context = struct_pb2.Struct()
    context.update(
        {
            "cluster": names.cluster(of_mirror(auth, proxy)),
            "path": auth.path,
            "headers": list(dict.fromkeys((*ALWAYS_SENT, *auth.headers))),
            "answered": list(auth.answered),
            "body": auth.body,
        }
    )
    return lua_pb2.LuaPerRoute(name=_NAME, filter_context=context)


_LUA = f"""
local own = {{
  host = true, connection = true, ["content-length"] = true, ["transfer-encoding"] = true, ["keep-alive"] = true,
  te = true, trailer = true, upgrade = true, ["proxy-connection"] = true
}}

local function passed(name)
  return string.sub(name, 1, 1) ~= ":" and not own[name]
end

local function lines(value)
  if type(value) == "table" then return value end
  return {{value}}
end

-- The answer for the client, or nothing for a request that goes on. What Envoy lends is good until the next wait.
local function decide(request)
  local context, headers = request:filterContext(), request:headers()
  local cluster, most, listed = context:get("cluster"), context:get("body"), context:get("answered")
  local sent = {{
    [":method"] = headers:get(":method"),
    [":authority"] = headers:get(":authority"),
    [":path"] = context:get("path") .. headers:get(":path"),
  }}
  for _, name in ipairs(context:get("headers")) do
    if passed(name) then sent[name] = headers:get(name) end
  end
  local content = nil
  if most > 0 and not headers:get("upgrade") then
    local whole = request:body()
    if whole and whole:length() > most then return {{[":status"] = "413"}}, "" end
    if whole and whole:length() > 0 then content = whole:getBytes(0, whole:length()) end
  end
  local answer, body = request:httpCall(
    cluster, sent, content, {{timeout_ms = {TIMEOUT}, send_xff = false, return_duplicate_headers = true}}
  )
  local status = tonumber(lines(answer[":status"])[1])
  if status >= 500 then return {{[":status"] = "403"}}, "" end
  if status ~= 200 then
    local told = {{[":status"] = tostring(status)}}
    for name, value in pairs(answer) do
      if passed(name) then told[name] = value end
    end
    return told, body or ""
  end
  local wanted, all = {{}}, true
  for _, name in ipairs(listed) do wanted[name], all = true, false end
  for name, value in pairs(answer) do
    if passed(name) and (all or wanted[name]) then
      request:headers():remove(name)
      for _, line in ipairs(lines(value)) do request:headers():add(name, line) end
    end
  end
end

function envoy_on_request(request)
  local fine, answer, body = pcall(decide, request)
  if not fine then answer, body = {{[":status"] = "403"}}, "" end
  if answer then request:respond(answer, body) end
end
"""
