"""Fuzzing: no policy document that a request brings causes a server error, nor one of what it is stored for."""

from typing import Any

from botocore.exceptions import ClientError
from hypothesis import HealthCheck, example, given, settings

from lowcloud.api.aws.gateway import Gateway
from tests.support.policies.fuzz import documents_at_random
from tests.support.servers.gateways import serving

TRUST = '{"Statement": {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}}'
REFUSALS = ("MalformedPolicyDocument", "MalformedPolicy", "InvalidPolicyDocument", "PolicyTooLarge", "LimitExceeded")
REFUSALS += ("ValidationError", "MissingRequestBodyError", "ValidationException", "AccessDenied", "MalformedXML")
EXAMPLES = 60


def test_policies_of_roles_and_buckets_never_cause_a_server_error(gateway: Gateway) -> None:
    with serving(gateway) as endpoint:
        iam, s3, sts = (endpoint.client(service) for service in ("iam", "s3", "sts"))
        role = iam.create_role(RoleName="runner", AssumeRolePolicyDocument=TRUST)["Role"]
        issued = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="session")["Credentials"]
        session = endpoint.client(
            "s3",
            aws_access_key_id=issued["AccessKeyId"],
            aws_secret_access_key=issued["SecretAccessKey"],
            aws_session_token=issued["SessionToken"],
        )
        s3.create_bucket(Bucket="shelf")
        s3.put_object(Bucket="shelf", Key="book", Body=b"")

        @settings(max_examples=EXAMPLES, suppress_health_check=list(HealthCheck))
        @given(documents_at_random())
        @example("\x1f")  # of which a message that quotes it was no XML
        def put(text: str) -> None:
            text = text.encode(errors="ignore").decode()
            answer(iam.create_role, RoleName="runner", AssumeRolePolicyDocument=text)
            answer(iam.put_role_policy, RoleName="runner", PolicyName="p", PolicyDocument=text)
            answer(s3.put_bucket_policy, Bucket="shelf", Policy=text)
            answer(session.get_object, Bucket="shelf", Key="book")
            answer(session.list_buckets)

        put()


def answer(perform: Any, **request: Any) -> None:
    try:
        perform(**request)
    except ClientError as error:
        assert error.response["ResponseMetadata"]["HTTPStatusCode"] < 500, (request, error)
        code = error.response["Error"]["Code"]
        assert code in (*REFUSALS, "EntityAlreadyExists"), (request, error)
