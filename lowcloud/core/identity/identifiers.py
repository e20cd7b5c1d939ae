"""Random identifiers in the form of AWS: a prefix that says of what, and capitals and digits."""

import secrets

ALPHABET = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"


def new_identifier(prefix: str, length: int) -> str:
    """Return `prefix` and this many random characters."""
    return prefix + "".join(secrets.choice(ALPHABET) for _ in range(length))
