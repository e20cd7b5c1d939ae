"""Errors of the cloud, in neutral terms; each API translates them."""


class CloudError(Exception):
    """Any request that the cloud refuses or cannot carry out. The message is a sentence for the user."""


class NotFoundError(CloudError):
    """There is no `noun` of this name: no "training job", for example."""

    def __init__(self, noun: str, name: str):
        super().__init__(f"There is no {noun} named {name!r}.")
        self.noun = noun
        self.name = name


class AlreadyExistsError(CloudError):
    """A `noun` of this name exists."""

    def __init__(self, noun: str, name: str):
        super().__init__(f"A {noun} named {name!r} already exists.")
        self.noun = noun
        self.name = name


class InvalidError(CloudError):
    """The request contradicts itself or the state of what it names."""


class InvalidPageTokenError(InvalidError):
    """The token of a list request was not returned by the request before it."""


class InUseError(CloudError):
    """The resource cannot be changed or deleted, because another resource uses it."""


class LimitExceededError(CloudError):
    """There are as many of these as there may be."""


class ForbiddenError(CloudError):
    """The caller is not permitted to do this."""


class DamagedObjectError(CloudError):
    """The stored bytes of an object are missing, or are not those that were written."""


class StorageUnavailableError(CloudError):
    """The disk or the database fails at the moment. Whether a write has happened is not known."""


class StorageFullError(StorageUnavailableError):
    """The disk is full; nothing of the request was stored."""
