"""Services and policies in nftables: maps, a fixed number of chains, one transaction for each change."""
