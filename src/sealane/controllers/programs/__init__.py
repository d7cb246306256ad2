"""What programs in images would write into the API and others of their set wait for: Secrets and bundles of CAs.

Images are answered, so nobody would write them. `making` knows what well-known programs write (a row each); `wiring`
writes it, as soon as a pod of such a program is there.
"""
