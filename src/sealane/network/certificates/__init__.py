"""Which certificates there are: Secrets of kubernetes.io/tls read and judged. No issuing, no clock, no I/O."""
