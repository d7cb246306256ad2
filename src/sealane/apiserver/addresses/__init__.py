"""Addresses that the API gives: ServiceCIDRs and what Services get from them."""
