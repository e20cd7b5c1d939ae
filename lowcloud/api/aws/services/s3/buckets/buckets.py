"""The life of buckets: created, listed, found, deleted."""

from collections.abc import Mapping
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.ownership import RULES
from lowcloud.api.aws.services.s3.buckets.tagging import KIND as TAGS
from lowcloud.api.aws.services.s3.operation import owner, s3_operation
from lowcloud.api.aws.services.s3.translation.access_lists import ACL, owner_id, parse_list_headers
from lowcloud.api.aws.services.s3.translation.tags import MAX_BUCKET_TAGS, parse_tags
from lowcloud.core.context import Context
from lowcloud.core.errors import AlreadyExistsError
from lowcloud.core.identity.access import Caller
from lowcloud.core.storage.access import access_lists
from lowcloud.core.storage.buckets import buckets

DEFAULT_REGION = "us-east-1"  # whose name S3 leaves out, in requests and in answers
MAX_BUCKETS = 10_000


@s3_operation("CreateBucket", refused=tuple(f"CreateBucketConfiguration.{member}" for member in ("Bucket", "Location")))
def create_bucket(context: Context, _caller: Caller, request: Request) -> Answer:
    if request.get("BucketNamespace", "global") != "global":
        raise AwsError("NotImplemented", "Lowcloud has one namespace of buckets only.", 501)
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
            raise  # S3 lets an owner create a bucket again in its first region only, and programs count on it
    return {"Location": f"/{bucket.name}", "BucketArn": f"arn:aws:s3:::{bucket.name}"}


@s3_operation("HeadBucket")
def head_bucket(context: Context, _caller: Caller, request: Request) -> Answer:
    bucket = buckets.find(context, request["Bucket"])
    return {"BucketRegion": bucket.region, "BucketArn": f"arn:aws:s3:::{bucket.name}", "AccessPointAlias": False}


@s3_operation("GetBucketLocation")
def get_bucket_location(context: Context, _caller: Caller, request: Request) -> Answer:
    region = buckets.find(context, request["Bucket"]).region
    return {"LocationConstraint": None if region == DEFAULT_REGION else region}


@s3_operation("ListBuckets")
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
        "ContinuationToken": after,  # the name itself: a caller who may list buckets may know it
        "Prefix": request.get("Prefix"),
    }


@s3_operation("DeleteBucket")
def delete_bucket(context: Context, _caller: Caller, request: Request) -> Answer:
    buckets.delete(context, request["Bucket"])
    return {}


def _configurations(request: Request, owner_id: str) -> dict[str, Mapping[str, Any]]:
    """What a new bucket begins with, where the request says so. Raises AwsError."""
    made: dict[str, Mapping[str, Any]] = {}
    rule = RULES[request.get("ObjectOwnership", "BucketOwnerEnforced")]
    made[buckets.OWNERSHIP] = {"rule": rule}
    if tags := parse_tags(request.get("CreateBucketConfiguration", {}).get("Tags", ()), MAX_BUCKET_TAGS, "Bucket"):
        made[TAGS] = tags
    wanted = parse_list_headers(request, owner_id)
    if wanted is not None and wanted != access_lists.OWNER_ONLY:
        if rule == "enforced":
            sentence = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
            raise AwsError("InvalidBucketAclWithObjectOwnership", sentence)
        if access_lists.is_public(wanted):  # a new bucket's public access block forbids it
            raise AwsError("AccessDenied", "Public access control lists are prevented by the public access block.", 403)
        made[ACL] = wanted
    return made
