"""The Envoy back end: the routing model as xDS resources, served by delta ADS.

`routes` and `config` turn model values into protobufs (pure), `resources` keeps them as derived collections, `delta`
speaks the protocol and `ads` serves it, `bootstrap` says how to start Envoy. Importing these costs 0.2 s (protobuf,
gRPC): import them when the first listener exists. No routing rule is decided here; see `network/routes`.
"""
