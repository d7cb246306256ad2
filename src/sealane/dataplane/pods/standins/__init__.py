"""The stand-ins: one process that answers on the sockets of all stand-in pods.

The node agent opens the sockets in each pod's namespace and hands them over (`linux.handoff`, role "stand-ins") with
what an answer may say: see `behaviours.Facts`.
"""

from sealane.dataplane.pods.standins.server import serve

__all__ = ["serve"]
