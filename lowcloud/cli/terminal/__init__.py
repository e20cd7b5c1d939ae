"""What all commands share: parsing, output, the connection to the server."""
