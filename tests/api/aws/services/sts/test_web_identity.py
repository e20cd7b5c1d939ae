"""AssumeRoleWithWebIdentity against an issuer on this machine, with a live client."""

import time

import boto3
import pytest
from botocore import UNSIGNED
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.support.identities import policy, signed_by, trust
from tests.support.issuers import issuing, new_key
from tests.support.servers.endpoint import ACCOUNT

ACTION = "sts:AssumeRoleWithWebIdentity"


@pytest.fixture(scope="module")
def issuer(server):
    """An issuer that the account trusts for the audience "app"."""
    with issuing() as found:
        server.client("iam").create_open_id_connect_provider(Url=found.url, ClientIDList=["app", "second"])
        yield found


@pytest.fixture(scope="module")
def role(server, issuer):
    """The ARN of a role for ada."""
    condition = {"StringEquals": {f"{issuer.name}:aud": "app", f"{issuer.name}:sub": "ada"}}
    document = trust({"Federated": provider_of(issuer)}, [ACTION, "sts:TagSession"], Condition=condition)
    iam = server.client("iam")
    role = iam.create_role(RoleName="for-ada", AssumeRolePolicyDocument=document)["Role"]
    iam.put_role_policy(RoleName="for-ada", PolicyName="p", PolicyDocument=policy("s3:*"))
    return role["Arn"]


@pytest.fixture(scope="module")
def sts(server):
    """A client without any keys, as a company's program has it."""
    config = Config(signature_version=UNSIGNED, retries={"total_max_attempts": 1})
    return boto3.client("sts", endpoint_url=server.url, region_name="us-east-1", config=config)


def provider_of(issuer):
    return f"arn:aws:iam::{ACCOUNT}:oidc-provider/{issuer.name}"


def make_role(server, name, document):
    return server.client("iam").create_role(RoleName=name, AssumeRolePolicyDocument=document)["Role"]["Arn"]


def code_of(sts, role, token, **more):
    with pytest.raises(ClientError) as caught:
        sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="me", WebIdentityToken=token, **more)
    return caught.value.response["Error"]["Code"]


def test_a_token_of_the_issuer_is_worth_a_session_of_the_role(server, issuer, role, sts):
    answer = sts.assume_role_with_web_identity(
        RoleArn=role, RoleSessionName="me", WebIdentityToken=issuer.token(), DurationSeconds=900
    )
    assert (answer["SubjectFromWebIdentityToken"], answer["Audience"]) == ("ada", "app")
    assert answer["Provider"] == provider_of(issuer)
    identity = signed_by(server, answer["Credentials"], "sts").get_caller_identity()
    assert identity["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/for-ada/me"


def test_the_keys_of_an_issuer_are_asked_for_once(issuer, role, sts):
    for _ in range(3):
        sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="me", WebIdentityToken=issuer.token())
    assert issuer.fetches == 1


def test_tags_of_the_token_are_tags_of_the_session(server, issuer, role, sts):
    claim = {"principal_tags": {"team": ["blue"]}, "transitive_tag_keys": ["team"]}
    token = issuer.token(**{"https://aws.amazon.com/tags": claim})
    session = sts.assume_role_with_web_identity(RoleArn=role, RoleSessionName="me", WebIdentityToken=token)
    server.client("iam").put_role_policy(RoleName="for-ada", PolicyName="chains", PolicyDocument=policy("sts:*"))
    chained = signed_by(server, session["Credentials"], "sts")
    for team, is_trusted in (("blue", True), ("red", False)):
        condition = {"StringEquals": {"aws:PrincipalTag/team": team}}
        document = trust({"AWS": ACCOUNT}, ["sts:AssumeRole", "sts:TagSession"], Condition=condition)
        arn = make_role(server, f"for-{team}", document)
        if is_trusted:
            assert chained.assume_role(RoleArn=arn, RoleSessionName="me")
        else:
            with pytest.raises(ClientError, match="AccessDenied"):
                chained.assume_role(RoleArn=arn, RoleSessionName="me")
    several = {"principal_tags": {"team": ["blue", "red"]}}
    token = issuer.token(**{"https://aws.amazon.com/tags": several})
    assert code_of(sts, role, token) == "InvalidIdentityToken"


@pytest.mark.parametrize(
    ("claims", "code"),
    [
        ({"aud": "second"}, "AccessDenied"),  # the provider accepts it, the role does not
        ({"sub": "eve"}, "AccessDenied"),
        ({"aud": "third"}, "InvalidIdentityToken"),
        ({"aud": None}, "InvalidIdentityToken"),
        ({"sub": None}, "InvalidIdentityToken"),
        ({"exp": None}, "InvalidIdentityToken"),
        ({"iss": "https://another.example.com"}, "InvalidIdentityToken"),
        ({"iss": None}, "InvalidIdentityToken"),
        ({"exp": 1_000_000_000}, "ExpiredTokenException"),
        ({"nbf": time.time() + 3600}, "InvalidIdentityToken"),
        ({"https://aws.amazon.com/source_identity": "ada"}, "AccessDenied"),  # nobody may set it
    ],
)
def test_a_token_with_wrong_claims_is_refused(issuer, role, sts, claims, code):
    assert code_of(sts, role, issuer.token(**claims)) == code


def test_a_token_with_a_wrong_signature_is_refused(issuer, role, sts):
    assert code_of(sts, role, issuer.token(new_key())) == "InvalidIdentityToken"
    head, content, signature = issuer.token().split(".")
    assert code_of(sts, role, f"{head}.{content}.") == "InvalidIdentityToken"
    assert code_of(sts, role, f"{head}.{issuer.token(sub='eve').split('.')[1]}.{signature}") == "InvalidIdentityToken"
    assert code_of(sts, role, "not-a-token") == "InvalidIdentityToken"


def test_only_algorithms_with_public_keys_are_accepted(issuer, role, sts):
    import jwt

    content = jwt.decode(issuer.token(), options={"verify_signature": False})
    for algorithm, key in (("none", None), ("HS256", "x" * 32)):
        token = jwt.encode(content, key, algorithm, headers={"kid": "first"})
        assert code_of(sts, role, token) == "InvalidIdentityToken"


def test_a_role_that_trusts_the_account_alone_is_not_for_the_issuer(server, issuer, sts):
    arn = make_role(server, "for-users", trust({"AWS": ACCOUNT}, "sts:*"))
    assert code_of(sts, arn, issuer.token()) == "AccessDenied"
    assert code_of(sts, arn.replace("for-users", "nobody"), issuer.token()) == "AccessDenied"


def test_other_operations_need_a_signature(sts, server):
    with pytest.raises(ClientError, match="MissingAuthenticationToken"):
        sts.get_caller_identity()
    config = Config(signature_version=UNSIGNED)
    iam = boto3.client("iam", endpoint_url=server.url, region_name="us-east-1", config=config)
    with pytest.raises(ClientError, match="MissingAuthenticationToken"):
        iam.list_users()


def test_an_issuer_that_does_not_answer_is_named(server, sts, issuer, role):
    with issuing() as gone:
        server.client("iam").create_open_id_connect_provider(Url=gone.url, ClientIDList=["app"])
    assert code_of(sts, role, gone.token()) == "IDPCommunicationError"
