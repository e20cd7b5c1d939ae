"""Amazon Resource Names: made and read only here."""

import re
from dataclasses import dataclass

from lowcloud.api.aws.errors import AwsError
from lowcloud.core.context import Context

ROLE = re.compile(r"arn:aws[a-z-]*:iam::(?P<account>\d{12}):role/(?:[\x21-\x7e]+/)?(?P<name>[\w+=,.@-]{1,64})")
SAGEMAKER = re.compile(r"arn:aws[a-z-]*:sagemaker:(?P<region>[a-z0-9-]*):(?P<account>\d{12}):(?P<subject>[a-z-]+/.+)")


@dataclass(frozen=True)
class RoleArn:
    """What a role's ARN says."""

    account_id: str
    name: str


def of_sagemaker(context: Context, subject: str) -> str:
    """The ARN of a SageMaker resource, from the subject its tags are filed under, e.g. "training-job/NAME"."""
    return f"arn:aws:sagemaker:{context.settings.region}:{context.settings.account_id}:{subject}"


def subject_of(context: Context, arn: str) -> str:
    """The inverse of `of_sagemaker`. Raises AwsError for an ARN of anything else or of another account."""
    match = SAGEMAKER.fullmatch(arn)
    if match is None or match["account"] != context.settings.account_id:
        raise AwsError("ValidationException", f"Invalid resource ARN: {arn}")
    return match["subject"]


def parse_role(arn: str) -> RoleArn:
    """Account and name of a role's ARN. Raises AwsError."""
    match = ROLE.fullmatch(arn)
    if match is None:
        raise AwsError("ValidationException", f"Invalid role ARN: {arn}")
    return RoleArn(match["account"], match["name"])
