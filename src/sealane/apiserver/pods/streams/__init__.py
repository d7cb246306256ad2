"""Streams into pods: exec, attach and port-forward over WebSocket and over SPDY/3.1.

Protocols without I/O: `channels` (of KEP-4006 and older ones) and `spdy` (framing); on them the conversations
of `remotecommand` and `portforward`. `upgrade` makes a connection of a request; `commands` and `ports` couple the two
with a `node_agent.Streams` that the API is given.
"""
