"""STS: the identity of the caller, and temporary credentials."""
