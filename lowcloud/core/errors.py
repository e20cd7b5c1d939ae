"""What can go wrong in the cloud, in neutral words; each dialect translates."""


class CloudError(Exception):
    """Any refusal of the cloud. The message is a sentence for the user."""


class NotFoundError(CloudError):
    """There is no `kind` of this name."""

    def __init__(self, kind: str, name: str):
        super().__init__(f"There is no {kind} named {name!r}.")
        self.kind = kind
        self.name = name


class AlreadyExistsError(CloudError):
    """A `kind` of this name exists."""

    def __init__(self, kind: str, name: str):
        super().__init__(f"A {kind} named {name!r} already exists.")
        self.kind = kind
        self.name = name


class InvalidError(CloudError):
    """The request contradicts itself or the state of what it names."""


class InUseError(CloudError):
    """What should change or go is needed by something else."""


class ForbiddenError(CloudError):
    """The caller has no right to this."""


class StorageUnavailableError(CloudError):
    """The disk or the database does not do its work now. Whether a write has happened is not known."""


class StorageFullError(StorageUnavailableError):
    """The disk cannot take what was sent; nothing of it was acknowledged."""
