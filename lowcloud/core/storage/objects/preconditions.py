"""Preconditions of reads and writes on an object's current state, such as If-Match (RFC 9110, section 13)."""

from dataclasses import dataclass

from lowcloud.core.errors import CloudError


class PreconditionFailedError(CloudError):
    """A precondition does not hold."""

    def __init__(self, condition: str):
        super().__init__(f"The precondition {condition} does not hold.")
        self.condition = condition


class NotModifiedError(CloudError):
    """The client's copy is up to date."""

    def __init__(self, etag: str, modified_at: float):
        super().__init__("The object has not been modified.")
        self.etag = etag
        self.modified_at = modified_at


@dataclass(frozen=True)
class Preconditions:
    """Entity tags (one, several with commas, or *) and times in seconds since the epoch."""

    if_match: str | None = None
    if_none_match: str | None = None
    if_modified_since: float | None = None
    if_unmodified_since: float | None = None
    if_modified_at: float | None = None  # of the object to replace or delete, if there is one
    if_size: int | None = None  # likewise, in bytes


NO_PRECONDITIONS = Preconditions()


def check_read(preconditions: Preconditions, etag: str, modified_at: float) -> None:
    """Raise PreconditionFailedError and NotModifiedError.

    An entity tag takes precedence over a time (RFC 9110, section 13.2.2).
    """
    modified_second = int(modified_at)  # HTTP dates have whole seconds
    if preconditions.if_match is not None:
        if not _matches(preconditions.if_match, etag):
            raise PreconditionFailedError("If-Match")
    elif preconditions.if_unmodified_since is not None and modified_second > preconditions.if_unmodified_since:
        raise PreconditionFailedError("If-Unmodified-Since")
    if preconditions.if_none_match is not None:
        if _matches(preconditions.if_none_match, etag):
            raise NotModifiedError(etag, modified_at)
    elif preconditions.if_modified_since is not None and modified_second <= preconditions.if_modified_since:
        raise NotModifiedError(etag, modified_at)


def check_write(preconditions: Preconditions, etag: str | None, modified_at: float = 0, size: int = 0) -> None:
    """Check a write against the current object (etag None: there is none). Raises PreconditionFailedError."""
    if preconditions is NO_PRECONDITIONS:
        return
    if preconditions.if_none_match is not None and etag is not None and _matches(preconditions.if_none_match, etag):
        raise PreconditionFailedError("If-None-Match")
    if preconditions.if_match is not None and (etag is None or not _matches(preconditions.if_match, etag)):
        raise PreconditionFailedError("If-Match")
    if etag is None:
        return
    if preconditions.if_modified_at is not None and int(modified_at) != int(preconditions.if_modified_at):
        raise PreconditionFailedError("If-Match-Last-Modified-Time")
    if preconditions.if_size is not None and size != preconditions.if_size:
        raise PreconditionFailedError("If-Match-Size")


def _matches(header: str, etag: str) -> bool:
    tags = (tag.strip().removeprefix("W/").strip('"') for tag in header.split(","))
    return any(tag in ("*", etag) for tag in tags)
