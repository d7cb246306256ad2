"""API writes of programs in images, for which other programs wait: Secrets and bundles of CAs.

Images are answered, so no program writes them. `making` knows what well-known programs write (a row each); `wiring`
writes it, as soon as a pod of such a program is there.
"""
