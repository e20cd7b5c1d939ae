"""What the tests share: a running server, clients, data, and programs that fail on purpose."""
