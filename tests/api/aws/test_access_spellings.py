"""Names that are written in another way, and other ways to the same thing, do not evade a policy."""

import json
import urllib.error
import urllib.request
from typing import Any

import pytest
from botocore.exceptions import ClientError

from lowcloud.api.aws.execution_role import trust_policy
from lowcloud.core.errors import InvalidError
from lowcloud.core.staging.inputs import parse_uri
from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.server import Server

LINEAR = "linear-learner"


def statement(effect: str, action: Any, resource: Any = "*", **condition: Any) -> dict[str, Any]:
    return {"Effect": effect, "Action": action, "Resource": resource, **({"Condition": condition} if condition else {})}


class As:
    """Clients of a new user with these statements."""

    def __init__(self, server: Server, name: str, *statements: dict[str, Any]):
        iam = server.client("iam")
        iam.create_user(UserName=name)
        if statements:
            document = json.dumps({"Version": "2012-10-17", "Statement": list(statements)})
            iam.put_user_policy(UserName=name, PolicyName="p", PolicyDocument=document)
        key = iam.create_access_key(UserName=name)["AccessKey"]
        self.name, self.key_id = name, key["AccessKeyId"]
        self._server = server
        self._keys = {"aws_access_key_id": key["AccessKeyId"], "aws_secret_access_key": key["SecretAccessKey"]}

    def __call__(self, service: str, **options: Any) -> Any:
        return self._server.client(service, **self._keys, **options)


def code(call: Any, **arguments: Any) -> str:
    with pytest.raises(ClientError) as caught:
        call(**arguments)
    return str(caught.value.response["Error"]["Code"])


@pytest.fixture(scope="module")
def secret_role(server: Server) -> str:
    iam = server.client("iam")
    tags = [{"Key": "env", "Value": "prod"}]
    made = iam.create_role(RoleName="Spelled", AssumeRolePolicyDocument=trust_policy(ACCOUNT), Tags=tags)
    return str(made["Role"]["Arn"])


def model(name: str, role: str) -> dict[str, Any]:
    return {"ModelName": name, "PrimaryContainer": {"Image": LINEAR}, "ExecutionRoleArn": role}


def test_a_role_is_passed_under_its_own_path_and_partition_alone(server: Server, secret_role: str) -> None:
    everything = statement("Allow", "sagemaker:*")
    by_path = As(server, "passes-by-path", everything, statement("Allow", "iam:PassRole", "arn:aws:iam::*:role/team/*"))
    other = secret_role.replace("role/", "role/team/")
    assert code(by_path("sagemaker").create_model, **model("spelled-1", other)) == "AccessDeniedException"
    allowed = statement("Allow", "iam:PassRole")
    denied = As(server, "passes-not-this", everything, allowed, statement("Deny", "iam:PassRole", secret_role))
    assert code(denied("sagemaker").create_model, **model("spelled-2", secret_role)) == "AccessDeniedException"
    foreign = secret_role.replace("arn:aws:", "arn:aws-cn:")
    assert code(denied("sagemaker").create_model, **model("spelled-2", foreign)) == "ValidationException"


def test_conditions_see_the_tags_of_a_role_and_a_policy(server: Server, secret_role: str) -> None:
    of_prod = {"StringEquals": {"aws:ResourceTag/env": "prod"}}
    user = As(server, "not-prod", statement("Allow", "*"), statement("Deny", "*", **of_prod))
    assert code(user("sagemaker").create_model, **model("spelled-3", secret_role)) == "AccessDeniedException"
    document = json.dumps({"Version": "2012-10-17", "Statement": statement("Allow", "s3:*")})
    tags = [{"Key": "env", "Value": "prod"}]
    policy = server.client("iam").create_policy(PolicyName="tagged", PolicyDocument=document, Tags=tags)["Policy"][
        "Arn"
    ]
    found = code(user("iam").create_policy_version, PolicyArn=policy, PolicyDocument=document, SetAsDefault=True)
    assert found == "AccessDenied"


def test_an_arn_in_another_case_or_region_is_the_same_resource_or_none(server: Server) -> None:
    arn = server.client("sagemaker").create_experiment(ExperimentName="Spelling")["ExperimentArn"]
    user = As(server, "not-spelling", statement("Allow", "sagemaker:*"), statement("Deny", "sagemaker:*", arn))
    tags = {"Tags": [{"Key": "k", "Value": "v"}]}
    add = user("sagemaker").add_tags
    assert code(add, ResourceArn=arn, **tags) == "AccessDeniedException"
    assert code(add, ResourceArn=arn.replace("Spelling", "SPELLING"), **tags) == "AccessDeniedException"
    assert code(add, ResourceArn=arn.replace("us-east-1", "eu-west-1"), **tags) == "ValidationException"
    assert code(add, ResourceArn=arn.replace("arn:aws:", "arn:aws-cn:"), **tags) == "ValidationException"


@pytest.mark.parametrize(
    "bucket", ["sec\tret", "sec\nret", "secret ", "SECRET", "s3cret?x", "a@secret", "..", "x" * 64]
)
def test_a_uri_names_its_bucket_in_one_way(bucket: str) -> None:
    with pytest.raises(InvalidError):
        parse_uri(f"s3://{bucket}/key")


def test_tags_of_objects_count_for_models_and_copies_too(server: Server) -> None:
    s3 = server.client("s3")
    s3.create_bucket(Bucket="spelled-secrets")
    s3.put_object(Bucket="spelled-secrets", Key="model.tar.gz", Body=b"x", Tagging="class=secret")
    of_secrets = {"StringEquals": {"s3:ExistingObjectTag/class": "secret"}}
    user = As(server, "no-secrets", statement("Allow", "*"), statement("Deny", "s3:GetObject", **of_secrets))
    container = {"Image": LINEAR, "ModelDataUrl": "s3://spelled-secrets/model.tar.gz"}
    created = user("sagemaker").create_model
    assert code(created, ModelName="spelled-4", PrimaryContainer=container) == "AccessDeniedException"
    copier = As(server, "copies-no-tags", statement("Allow", ["s3:GetObject", "s3:PutObject", "s3:ListBucket"]))
    copy = {"Bucket": "spelled-secrets", "Key": "copy", "CopySource": "spelled-secrets/model.tar.gz"}
    assert code(copier("s3").copy_object, **copy) == "AccessDenied"
    copier("s3").copy_object(**copy, TaggingDirective="REPLACE")


def test_conditions_know_how_a_request_to_s3_is_signed(server: Server) -> None:
    server.client("s3").create_bucket(Bucket="spelled-signatures")
    server.client("s3").put_object(Bucket="spelled-signatures", Key="k", Body=b"data")
    presigned = statement("Deny", "s3:*", StringEquals={"s3:authType": "REST-QUERY-STRING"})
    old = statement("Deny", "s3:*", NumericGreaterThan={"s3:signatureAge": 600_000})
    unsigned = statement("Deny", "s3:*", StringEquals={"s3:x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    allowed = statement("Allow", "s3:*")
    at = {"Bucket": "spelled-signatures", "Key": "k"}
    for name, denied, status in (("a", presigned, 403), ("b", old, 200), ("c", unsigned, 403)):
        s3 = As(server, f"signer-{name}", allowed, denied)("s3", config={"signature_version": "s3v4"})
        assert s3.get_object(**at)["Body"].read() == b"data"
        assert status_of(s3.generate_presigned_url("get_object", Params=at)) == status
    old_url = As(server, "signer-d", allowed, old)("s3").generate_presigned_url("get_object", Params=at)
    assert status_of(old_url) == 200  # Signature Version 2, which has no time of its own


def status_of(url: str) -> int:
    try:
        with urllib.request.urlopen(url) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return int(error.code)


def test_nobody_takes_a_name_that_they_may_not_have(server: Server) -> None:
    user = As(server, "renamer", statement("Allow", "iam:UpdateUser", f"arn:aws:iam::{ACCOUNT}:user/renamer"))
    assert code(user("iam").update_user, UserName="renamer", NewUserName="boss") == "AccessDenied"


def test_the_last_use_of_a_key_is_asked_of_its_user(server: Server) -> None:
    key = server.client("iam").create_access_key(UserName=As(server, "key-owner").name)["AccessKey"]["AccessKeyId"]
    own = statement("Allow", "iam:GetAccessKeyLastUsed", f"arn:aws:iam::{ACCOUNT}:user/${{aws:username}}")
    user = As(server, "key-reader", own)
    assert code(user("iam").get_access_key_last_used, AccessKeyId=key) == "AccessDenied"
    user("iam").get_access_key_last_used(AccessKeyId=user.key_id)


def test_a_session_whose_policy_was_deleted_may_do_nothing(server: Server) -> None:
    iam = server.client("iam")
    document = json.dumps({"Version": "2012-10-17", "Statement": statement("Allow", "s3:*")})
    policy = iam.create_policy(PolicyName="short-lived", PolicyDocument=document)["Policy"]["Arn"]
    made = server.client("sts").assume_role(
        RoleArn=f"arn:aws:iam::{ACCOUNT}:role/LowcloudExecutionRole", RoleSessionName="s1", PolicyArns=[{"arn": policy}]
    )["Credentials"]
    s3 = server.client(
        "s3",
        aws_access_key_id=made["AccessKeyId"],
        aws_secret_access_key=made["SecretAccessKey"],
        aws_session_token=made["SessionToken"],
    )
    s3.list_buckets()
    iam.delete_policy(PolicyArn=policy)
    assert code(s3.list_buckets) == "AccessDenied"
