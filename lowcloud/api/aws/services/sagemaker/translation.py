"""Members of requests and answers that several SageMaker resources share: ARNs, roles, S3 URIs, tags and times."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any, Protocol

from lowcloud import contract
from lowcloud.api.aws.arns import of_sagemaker, parse_role, subject_of
from lowcloud.api.aws.services.sagemaker.errors import invalid
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.errors import InvalidError, NotFoundError
from lowcloud.core.identity import arns, trust
from lowcloud.core.identity.roles import ROLE
from lowcloud.core.resource_kind import ResourceKind
from lowcloud.core.staging import inputs
from lowcloud.core.staging.channels import DataSourceType, Mode
from lowcloud.core.tracking.provenance import Grouping

SERVICE_PRINCIPAL = "sagemaker.amazonaws.com"
INPUT_MODES = {"File": Mode.FILE, "FastFile": Mode.LAZY, "Pipe": Mode.PIPE}
INPUT_KINDS = {
    "S3Prefix": DataSourceType.PREFIX,
    "ManifestFile": DataSourceType.MANIFEST,
    "AugmentedManifestFile": DataSourceType.AUGMENTED,
}


class Changeable(Protocol):
    """Any record with the times of its creation and last change, in seconds since the epoch."""

    @property
    def created_at(self) -> float: ...
    @property
    def modified_at(self) -> float: ...


def arn_of(context: Context, kind: ResourceKind[Any], name: str) -> str:
    """Return the ARN of a resource."""
    return of_sagemaker(context, kind.subject(name))


def name_of(context: Context, name_or_arn: str) -> str:
    """Return the name of a resource that a request refers to by name or ARN."""
    return subject_of(context, name_or_arn).partition("/")[2] if name_or_arn.startswith("arn:") else name_or_arn


def time(seconds: float) -> datetime:
    """Convert seconds since the epoch to what the serializer takes."""
    return datetime.fromtimestamp(seconds, UTC)


def times(record: Changeable) -> dict[str, Any]:
    """Return the members for when a record was created and last changed."""
    return {"CreationTime": time(record.created_at), "LastModifiedTime": time(record.modified_at)}


def without_none(members: Mapping[str, Any]) -> dict[str, Any]:
    """Return the members that have a value."""
    return {name: value for name, value in members.items() if value is not None}


def require_role(context: Context, arn: str, source: str) -> None:
    """Raise AwsError for a role that does not exist in this account, or does not trust SageMaker.

    `source` is the subject of the resource that needs the role, which conditions of its trust policy may ask for.
    """
    role = parse_role(arn)
    if role.account_id != context.account_id:
        raise invalid(f"The role {arn} belongs to another account; this cloud's account is {context.account_id}.")
    try:
        found = resources.find(context, ROLE, role.name)
    except NotFoundError:
        found = None
    # Policies were asked about the ARN that was given, so another role's path in it is another role.
    if found is not None and arn != arns.of(found.account, "role", found.path, found.name):
        found = None
    if found is None or not trust.trusts_service(context, found, SERVICE_PRINCIPAL, of_sagemaker(context, source)):
        raise invalid(
            f"Could not assume role {arn}. Please ensure that the role exists and allows principal "
            f"'{SERVICE_PRINCIPAL}' to assume the role."
        )


def parse_s3_uri(uri: str) -> tuple[str, str]:
    """Return the bucket and key of an S3 URI. Raises AwsError."""
    try:
        return inputs.parse_uri(uri)
    except InvalidError as error:
        raise invalid(str(error)) from error


def local_folder(path: str) -> str:
    """Return a folder of a program relative to its base directory. Raises AwsError."""
    base, parts = f"{contract.DEFAULT_BASE_DIR}/", path.split("/")
    if not path.startswith(base) or ".." in parts or path.rstrip("/") == contract.DEFAULT_BASE_DIR:
        raise invalid(f"The local path {path!r} must be below {contract.DEFAULT_BASE_DIR}.")
    return path.removeprefix(base).strip("/")


def read_tags(request: Mapping[str, Any]) -> dict[str, str]:
    """Return the Tags member as a mapping. Raises AwsError."""
    tags: Sequence[Mapping[str, str]] = request.get("Tags", [])
    keys = [tag["Key"] for tag in tags]
    if len(set(keys)) != len(keys):
        raise invalid("Duplicate tag keys are not allowed.")
    return {tag["Key"]: tag["Value"] for tag in tags}


def read_grouping(request: Mapping[str, Any]) -> Grouping:
    """Return the ExperimentConfig member of a job's request."""
    configuration = request.get("ExperimentConfig", {})
    return Grouping(
        experiment=configuration.get("ExperimentName"),
        trial=configuration.get("TrialName"),
        display_name=configuration.get("TrialComponentDisplayName"),
        run=configuration.get("RunName"),
    )
