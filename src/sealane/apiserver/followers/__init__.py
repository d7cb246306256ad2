"""Loops that follow commits and write in their turn: garbage, contents, quotas, tokens.

Followers know the Api; the Api knows none of them.
"""
