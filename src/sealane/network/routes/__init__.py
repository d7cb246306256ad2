"""Routes: every front end of L7 routing compiles here to one routing model.

`model` is the model and its evaluation, `hosts` the hostname rules; `gateway` (GatewayClass, Gateway, HTTPRoute) and
`ingress` make it. Envoy configuration is written from this model and `trace` evaluates it, so both tell one story.
Nothing here knows Envoy.
"""
