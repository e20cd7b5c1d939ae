"""Object ownership of a bucket, which decides whether access control lists have effect."""

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.api.aws.services.s3.buckets.documents import malformed, not_configured
from lowcloud.api.aws.services.s3.operation import s3_operation
from lowcloud.api.aws.services.s3.permissions import OnBucket
from lowcloud.api.aws.services.s3.translation.access_lists import ACL
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.storage.access.access_lists import OWNER_ONLY
from lowcloud.core.storage.buckets import configurations
from lowcloud.core.storage.buckets.buckets import OWNERSHIP

RULES = {"BucketOwnerEnforced": "enforced", "BucketOwnerPreferred": "preferred", "ObjectWriter": "writer"}


@s3_operation("PutBucketOwnershipControls", OnBucket("s3:PutBucketOwnershipControls"))
def put_bucket_ownership_controls(context: Context, _caller: Caller, request: Request) -> Answer:
    rules = request["OwnershipControls"]["Rules"]
    if len(rules) != 1:
        raise malformed()
    rule = RULES[rules[0]["ObjectOwnership"]]
    access_list = configurations.get(context, request["Bucket"], ACL)
    if rule == "enforced" and access_list is not None and access_list != OWNER_ONLY:
        message = "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"
        raise AwsError("InvalidBucketAclWithObjectOwnership", message)
    configurations.put(context, request["Bucket"], OWNERSHIP, {"rule": rule})
    return {}


@s3_operation("GetBucketOwnershipControls", OnBucket("s3:GetBucketOwnershipControls"))
def get_bucket_ownership_controls(context: Context, _caller: Caller, request: Request) -> Answer:
    ownership = configurations.get(context, request["Bucket"], OWNERSHIP)
    if ownership is None:
        message = "The bucket ownership controls were not found"
        raise not_configured("OwnershipControlsNotFoundError", message, request["Bucket"])
    name = next(name for name, rule in RULES.items() if rule == ownership["rule"])
    return {"OwnershipControls": {"Rules": [{"ObjectOwnership": name}]}}


@s3_operation("DeleteBucketOwnershipControls", OnBucket("s3:PutBucketOwnershipControls"))
def delete_bucket_ownership_controls(context: Context, _caller: Caller, request: Request) -> Answer:
    configurations.delete(context, request["Bucket"], OWNERSHIP)
    return {}
