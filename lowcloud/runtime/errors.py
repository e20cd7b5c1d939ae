"""What a built-in program may fail with, and whose fault it is."""


class ClientError(Exception):
    """The user's data or settings cannot be used. The message says where and what to do about it."""
