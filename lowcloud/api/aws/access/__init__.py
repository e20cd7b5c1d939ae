"""Authorisation of requests: what each operation asks about, and what conditions can know of a request."""
