"""One home: its folder, settings and keys, the server that runs on it, and what points AWS clients to it."""
