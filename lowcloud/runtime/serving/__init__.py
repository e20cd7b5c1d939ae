"""Model servers: built-in algorithms and user inference scripts behind HTTP."""
