"""The default functions of each framework's container for requests."""
