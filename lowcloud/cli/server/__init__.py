"""Commands that start, stop and show the server."""
