"""The pytest plugin: a real cluster as a fixture.

    def test_cart_answers(sealane):
        sealane.apply("manifests/")
        assert sealane.exec("deploy/frontend", "curl", "-s", "http://cart").ok

`cluster.py` starts and drives a cluster through the command line, so a test sees what a user sees.
"""
