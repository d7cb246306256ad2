"""The data plane makes the model so: namespaces and links, nftables, DNS, Envoy, pods.

Each back end is one room with a derived collection of wanted facts and one applier that turns differences into kernel
or xDS messages. No back end decides semantics, and none imports the API server.
"""
