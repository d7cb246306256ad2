"""Controllers: derived collections of wanted objects, written back through the client protocol.

Workloads, scheduling, EndpointSlices, load-balancer addresses, Gateway status. The same code runs on a real cluster.
State machines (a rollout, the order of a StatefulSet) are pure functions `plan`, carried out by a `Reconciler`.
"""

from sealane.controllers.running import Controllers

__all__ = ["Controllers"]
