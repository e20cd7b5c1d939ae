"""Shared by the tests: a running server, clients, data, and programs that fail on purpose."""
