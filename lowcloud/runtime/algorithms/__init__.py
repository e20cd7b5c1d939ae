"""The built-in algorithms, one module each."""
