"""What the operations of experiments and lineage translate alike: errors, times, and where something's code is from."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, Protocol

from lowcloud.api.aws.arns import SAGEMAKER, of_sagemaker, subject_of
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.services.sagemaker.translation import invalid, time
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError, InUseError, NotFoundError
from lowcloud.core.tracking.lineage import OWN

METADATA = {
    "CommitId": "commit_id",
    "Repository": "repository",
    "GeneratedBy": "generated_by",
    "ProjectId": "project_id",
}


class Tracked(Protocol):
    """What all records of experiments and lineage have."""

    @property
    def created_at(self) -> float: ...
    @property
    def modified_at(self) -> float: ...


@contextmanager
def in_their_words() -> Iterator[None]:
    """Errors of core as these operations say them: names that are taken, and what is in use, are validation errors."""
    try:
        yield
    except AlreadyExistsError as error:
        kind = error.kind[0].upper() + error.kind[1:]
        if error.kind == "association":
            raise invalid(f"The association {error.name} already exists.") from error
        unique = f"{kind} names must be unique within an AWS account and region."
        raise invalid(f"{unique} {kind} with name ({error.name}) already exists.") from error
    except InUseError as error:
        raise invalid(str(error)) from error
    except NotFoundError as error:
        kind = error.kind[0].upper() + error.kind[1:]
        raise AwsError("ResourceNotFound", f"{kind} '{error.name}' does not exist.") from error


def times(record: Tracked) -> dict[str, Any]:
    """When a record was made and changed."""
    return {"CreationTime": time(record.created_at), "LastModifiedTime": time(record.modified_at)}


def read_metadata(request: Mapping[str, Any]) -> dict[str, str]:
    """The MetadataProperties member."""
    return {METADATA[name]: value for name, value in request.get("MetadataProperties", {}).items()}


def show_metadata(metadata: Mapping[str, str]) -> dict[str, str] | None:
    """The MetadataProperties of an answer, or None where nothing was said."""
    return {name: metadata[key] for name, key in METADATA.items() if key in metadata} or None


def source_of(context: Context, uri: str) -> str:
    """A source as core keeps it: an ARN of this account as the resource that it names. Raises AwsError."""
    if uri.startswith(OWN):
        raise invalid(f"A SourceUri cannot begin with {OWN!r}.")
    match = SAGEMAKER.fullmatch(uri)
    return f"{OWN}{match['subject']}" if match and match["account"] == context.settings.account_id else uri


def uri_of(context: Context, source: str) -> str:
    """The inverse of `source_of`."""
    return of_sagemaker(context, source.removeprefix(OWN)) if source.startswith(OWN) else source


def name_of(context: Context, name_or_arn: str) -> str:
    """The name of what is called by its name or its ARN."""
    return subject_of(context, name_or_arn).partition("/")[2] if name_or_arn.startswith("arn:") else name_or_arn


def without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    """The members that have a value."""
    return {name: value for name, value in members.items() if value is not None}
