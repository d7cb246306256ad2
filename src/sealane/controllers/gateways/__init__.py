"""Controllers of Gateways and Ingresses: their proxies and their status."""
