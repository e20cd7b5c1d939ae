"""Operations that create, list, find and delete buckets."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.ownership import RULES
from lowcloud.api.aws.services.s3.buckets.tagging import KIND as TAGS
from lowcloud.api.aws.services.s3.operation import owner, s3_operation
from lowcloud.api.aws.services.s3.permissions import READ_BUCKET, OnBucket, creates_bucket
from lowcloud.api.aws.services.s3.translation.access_lists import ACL, owner_id, parse_list_headers
from lowcloud.api.aws.services.s3.translation.tags import MAX_BUCKET_TAGS, parse_tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.access import access_lists
from lowcloud.core.storage.buckets import buckets

DEFAULT_REGION = "us-east-1"  # S3 omits its name in requests and responses
MAX_BUCKETS = 10_000


@s3_operation(
    "CreateBucket",
    creates_bucket,
    refused=tuple(f"CreateBucketConfiguration.{member}" for member in ("Bucket", "Location")),
)
def create_bucket(context: Context, _caller: Caller, request: Request) -> Answer:
    if request.get("BucketNamespace", "global") != "global":
        raise AwsError("NotImplemented", "Lowcloud supports the global bucket namespace only.", 501)
    region = request.get("CreateBucketConfiguration", {}).get("LocationConstraint")
    if region == DEFAULT_REGION:
        raise AwsError("InvalidLocationConstraint", "The specified location-constraint is not valid")
    try:
        bucket = buckets.create(
            context,
            request["Bucket"],
            {"EU": "eu-west-1"}.get(region, region),
            object_lock_enabled=request.get("ObjectLockEnabledForBucket", False),
            configurations=_configurations(request, owner_id(context)),
        )
    except AlreadyExistsError:
        bucket = buckets.find(context, request["Bucket"])
        if bucket.region != DEFAULT_REGION or region is not None:
            raise  # S3 allows an owner to create a bucket again in us-east-1 only, and programs rely on it
    return {"Location": f"/{bucket.name}", "BucketArn": f"arn:aws:s3:::{bucket.name}"}


@s3_operation("HeadBucket", OnBucket("s3:ListBucket", READ_BUCKET))
def head_bucket(context: Context, _caller: Caller, request: Request) -> Answer:
    bucket = buckets.find(context, request["Bucket"])
    return {"BucketRegion": bucket.region, "BucketArn": f"arn:aws:s3:::{bucket.name}", "AccessPointAlias": False}


@s3_operation("GetBucketLocation", OnBucket("s3:GetBucketLocation"))
def get_bucket_location(context: Context, _caller: Caller, request: Request) -> Answer:
    region = buckets.find(context, request["Bucket"]).region
    return {"LocationConstraint": None if region == DEFAULT_REGION else region}


@s3_operation("ListBuckets", on_any("s3:ListAllMyBuckets"))
def list_buckets(context: Context, _caller: Caller, request: Request) -> Answer:
    found, after = buckets.list_page(
        context,
        request.get("MaxBuckets", MAX_BUCKETS),
        after=request.get("ContinuationToken"),
        prefix=request.get("Prefix", ""),
        region=request.get("BucketRegion"),
    )
    return {
        "Owner": owner(context),
        "Buckets": [
            {
                "Name": bucket.name,
                "CreationDate": bucket.created_at,
                "BucketRegion": bucket.region,
                "BucketArn": f"arn:aws:s3:::{bucket.name}",
            }
            for bucket in found
        ],
        "ContinuationToken": after,  # not encrypted: a caller who may list buckets may know their names
        "Prefix": request.get("Prefix"),
    }


@s3_operation("DeleteBucket", OnBucket("s3:DeleteBucket"))
def delete_bucket(context: Context, _caller: Caller, request: Request) -> Answer:
    buckets.delete(context, request["Bucket"])
    return {}


def _configurations(request: Request, owner_id: str) -> dict[str, Mapping[str, Any]]:
    """Return the configurations in the request that creates a bucket. Raises AwsError."""
    configurations: dict[str, Mapping[str, Any]] = {}
    rule = RULES[request.get("ObjectOwnership", "BucketOwnerEnforced")]
    configurations[buckets.OWNERSHIP] = {"rule": rule}
    if tags := parse_tags(request.get("CreateBucketConfiguration", {}).get("Tags", ()), MAX_BUCKET_TAGS, "Bucket"):
        configurations[TAGS] = tags
    access_list = parse_list_headers(request, owner_id)
    if access_list is not None and access_list != access_lists.OWNER_ONLY:
        if rule == "enforced":
            message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
            raise AwsError("InvalidBucketAclWithObjectOwnership", message)
        if access_lists.is_public(access_list):  # blocked by the default public access block
            raise AwsError("AccessDenied", "Public access control lists are prevented by the public access block.", 403)
        configurations[ACL] = access_list
    return configurations
