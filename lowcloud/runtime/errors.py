"""Errors of built-in programs that their user can correct."""


class ClientError(Exception):
    """The user's data or settings are invalid. The message says where, and what to do about it."""
