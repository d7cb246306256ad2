"""The routing model: what a proxy does, whichever resource said so.

Ingress, Gateway API and mesh resources compile to it; Envoy configuration is made from it; `evaluate` answers from it.
`l4` says where proxies listen, `matches` which requests are meant, `http` what happens to them; what a rule does to a
request on its way is a value of `filters`.
"""
