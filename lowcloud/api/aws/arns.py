"""Amazon Resource Names (ARNs): formatting and parsing."""

import re
from dataclasses import dataclass

from lowcloud.api.aws.errors import AwsError
from lowcloud.core.context import Context

ROLE = re.compile(r"arn:aws:iam::(?P<account>\d{12}):role/(?:[\x21-\x7e]+/)?(?P<name>[\w+=,.@-]{1,64})")
SAGEMAKER = re.compile(r"arn:aws:sagemaker:(?P<region>[a-z0-9-]*):(?P<account>\d{12}):(?P<subject>[a-z-]+/.+)")


@dataclass(frozen=True)
class RoleArn:
    """The parts of a role's ARN."""

    account_id: str
    name: str


def of_sagemaker(context: Context, subject: str) -> str:
    """Return the ARN of a SageMaker resource, from its subject (as in the tags table), e.g. "training-job/NAME"."""
    return f"arn:aws:sagemaker:{context.settings.region}:{context.settings.account_id}:{subject}"


def subject_of(context: Context, arn: str) -> str:
    """Return the subject in a SageMaker ARN. Raises AwsError for any other ARN, another account or region."""
    match = SAGEMAKER.fullmatch(arn)
    here = (context.settings.region, context.account_id)
    if match is None or (match["region"], match["account"]) != here:
        raise AwsError("ValidationException", f"Invalid resource ARN: {arn}")
    return match["subject"]


def parse_role(arn: str) -> RoleArn:
    """Parse a role's ARN. Raises AwsError."""
    match = ROLE.fullmatch(arn)
    if match is None:
        raise AwsError("ValidationException", f"Invalid role ARN: {arn}")
    return RoleArn(match["account"], match["name"])
