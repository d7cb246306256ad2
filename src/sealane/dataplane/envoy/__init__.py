"""The Envoy back end: the routing model as xDS resources, served by delta ADS.

`routes` and `config` turn model values into protobufs (pure), `resources` keeps them as derived collections, `delta`
speaks the protocol and `server` carries it over gRPC, `ads` starts all that when the first listener exists (protobuf
and gRPC take 0.2 s to import), `bootstrap` says how to start Envoy. No routing rule is decided here; see
`network/routes`.
"""
