"""Messages of the cloud as commands and the SDK understand and show them."""

# SageMaker has one code for several reasons, and says in the message that a name is unknown.
_UNKNOWN_NAME = ("could not find", "not found", "is being deleted", "failed to satisfy constraint")
_UNITS = ("B", "kB", "MB", "GB", "TB")


def names_nothing(code: str, message: str) -> bool:
    """Return whether a request was refused because there is nothing of the name in it (any more)."""
    is_invalid = code == "ValidationException" and any(words in message.lower() for words in _UNKNOWN_NAME)
    return is_invalid or code.startswith("ResourceNotFound")


def format_bytes(count: int) -> str:
    """Return a number of bytes in decimal units, as disks are sold."""
    size, unit = float(count), "B"
    for unit in _UNITS:
        if size < 999.5 or unit == _UNITS[-1]:
            break
        size /= 1000
    return f"{count} B" if unit == "B" else f"{size:.3g} {unit}"
