"""The HTTP interfaces: one package per API, above http/, which is independent of any of them."""
