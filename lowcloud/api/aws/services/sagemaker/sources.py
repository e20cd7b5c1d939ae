"""Sources of records, as experiments and lineage describe them: SourceUri and MetadataProperties."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.arns import SAGEMAKER, of_sagemaker
from lowcloud.api.aws.services.sagemaker.errors import invalid
from lowcloud.core.context import Context
from lowcloud.core.tracking.lineage import SUBJECT_SCHEME

METADATA = {
    "CommitId": "commit_id",
    "Repository": "repository",
    "GeneratedBy": "generated_by",
    "ProjectId": "project_id",
}


def read_source(context: Context, uri: str) -> str:
    """Return a SourceUri as core stores it: an ARN of this account by the subject that it names. Raises AwsError."""
    if uri.startswith(SUBJECT_SCHEME):
        raise invalid(f"A SourceUri cannot begin with {SUBJECT_SCHEME!r}.")
    match = SAGEMAKER.fullmatch(uri)
    is_own = match and match["account"] == context.settings.account_id
    return f"{SUBJECT_SCHEME}{match['subject']}" if match and is_own else uri


def format_source(context: Context, source: str) -> str:
    """Return the SourceUri of a source; the inverse of `read_source`."""
    is_own = source.startswith(SUBJECT_SCHEME)
    return of_sagemaker(context, source.removeprefix(SUBJECT_SCHEME)) if is_own else source


def source_types(context: Context) -> dict[str, str]:
    """Return the SourceType of each kind of job, by the prefix of its subjects: "SageMakerTrainingJob" and the like."""
    return {kind.prefix: f"SageMaker{kind.noun.title().replace(' ', '')}" for kind in context.kinds.queued}


def read_metadata(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the MetadataProperties member as core stores it."""
    return {METADATA[name]: value for name, value in request.get("MetadataProperties", {}).items()}


def format_metadata(metadata: Mapping[str, str]) -> dict[str, str] | None:
    """Return the MetadataProperties member, or None if there are none; the inverse of `read_metadata`."""
    return {name: metadata[key] for name, key in METADATA.items() if key in metadata} or None
