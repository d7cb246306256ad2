"""Checks that all families share: fields, metadata, words of refusals."""
