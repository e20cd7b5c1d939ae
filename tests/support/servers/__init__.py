"""Servers and gateways under test, and clients of them, also such as send invalid requests."""
