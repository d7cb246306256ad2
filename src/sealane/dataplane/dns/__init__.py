"""The cluster DNS server: answers prepared from `network.names`, the rest forwarded."""
