"""Streams into pods: exec, attach and port-forward over WebSocket.

Protocols without I/O in `channels` (KEP-4006's and older channel messages) and `spdy` (the framing of port-forward);
`commands` and `ports` serve them with aiohttp over a `pods.Streams` that the API is given.
"""
