"""Routes: every front end of L7 routing compiles here to one routing model.

`model` is the model, `evaluate` what it says of one request; `gateway`, `httproute` and `ingress` make it, `routing`
holds it all as derived collections. Envoy configuration is written from this model and `trace` evaluates it, so both
tell one story. Nothing here knows Envoy.
"""
