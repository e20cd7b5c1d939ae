"""The versioning state of a bucket."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.buckets import buckets

_STATES = {"Enabled": buckets.ENABLED, "Suspended": buckets.SUSPENDED}


@s3_operation(
    "PutBucketVersioning",
    OnBucket("s3:PutBucketVersioning"),
    refused=("MFA", "VersioningConfiguration.MFADelete=Enabled"),
)
def put_bucket_versioning(context: Context, _caller: Caller, request: Request) -> Answer:
    status = request["VersioningConfiguration"].get("Status")
    if status is None:
        message = "The Versioning element must be specified"
        raise AwsError("IllegalVersioningConfigurationException", message)
    buckets.set_versioning(context, request["Bucket"], _STATES[status])
    return {}


@s3_operation("GetBucketVersioning", OnBucket("s3:GetBucketVersioning"))
def get_bucket_versioning(context: Context, _caller: Caller, request: Request) -> Answer:
    """A bucket that was never versioned has no Status."""
    versioning = buckets.find(context, request["Bucket"]).versioning
    return {"Status": next((status for status, state in _STATES.items() if state == versioning), None)}
