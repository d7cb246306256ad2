"""The cluster DNS server: answers prepared from `network.names`, the rest forwarded.

`wire` knows bytes, `table` keeps answers ready to send, `upstream` asks other servers, `server` serves sockets with the
three; `process` is the server joined to the API and to the node agent that gives it the sockets of coredns pods.
"""
