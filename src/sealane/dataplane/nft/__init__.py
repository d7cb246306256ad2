"""Services and policies in nftables: maps, a fixed number of chains, one transaction for each change.

`services` and `policies` say what the model looks like as nftables facts (pure), `ledger` turns facts that change into
the text of a transaction, `libnftables` runs it in a node's namespace, `programmer` joins them, `dump` reads it back.
`datagrams` does what proxies do with UDP, in the namespaces of their pods.
"""
