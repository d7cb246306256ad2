"""Controllers: derived collections of wanted objects, written back through the client protocol.

Workloads, scheduling, EndpointSlices, load-balancer addresses, Gateway status. The same code runs on a real cluster.
"""
