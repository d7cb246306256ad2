"""The cluster DNS server: answers prepared from `network.names`, the rest forwarded.

`wire` knows bytes, `table` keeps answers ready to send, `upstream` asks other servers, `server` serves sockets with the
three. `corefile` reads a Corefile's syntax, `plugins` its meaning, `route` puts a server block to work and `configured`
keeps servers as their ConfigMaps say. `process` joins all to the API and to the node agent that gives it the sockets of
coredns pods.
"""
