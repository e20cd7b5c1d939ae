"""AssumeRole under trust policies, with session policies, tags, source identities and chaining; federation tokens."""

import json

import pytest
from botocore.exceptions import ClientError

from tests.support.identities import make_user, policy, signed_by, trust
from tests.support.servers.endpoint import ACCOUNT

READ_ONLY = "arn:aws:iam::aws:policy/ReadOnlyAccess"
EVERY = ["sts:AssumeRole", "sts:TagSession", "sts:SetSourceIdentity"]


@pytest.fixture(scope="module")
def ada(server):
    """A key of a user who may use STS."""
    return make_user(server, "sts-ada", policy("sts:*"))


@pytest.fixture(scope="module")
def eve(server):
    """A key of a user without policies."""
    return make_user(server, "sts-eve")


def make_role(server, name, principal, action="sts:AssumeRole", **more):
    iam = server.client("iam")
    document = trust(principal, action, **more)
    arn = iam.create_role(RoleName=name, AssumeRolePolicyDocument=document, MaxSessionDuration=7200)["Role"]["Arn"]
    iam.put_role_policy(RoleName=name, PolicyName="p", PolicyDocument=policy("sts:*"))
    return arn


def code_of(call, **members):
    with pytest.raises(ClientError) as caught:
        call(**members)
    return caught.value.response["Error"]["Code"]


def assume(server, credentials, arn, **more):
    return signed_by(server, credentials, "sts").assume_role(RoleArn=arn, RoleSessionName="me", **more)


def test_a_trusted_account_leaves_it_to_the_policies_of_users(server, ada, eve):
    arn = make_role(server, "of-account", {"AWS": ACCOUNT})
    assert assume(server, ada, arn)["AssumedRoleUser"]["Arn"].endswith("of-account/me")
    with pytest.raises(ClientError) as caught:
        assume(server, eve, arn)
    assert caught.value.response["Error"]["Message"] == (
        f"User: arn:aws:iam::{ACCOUNT}:user/sts-eve is not authorized to perform: sts:AssumeRole on resource: {arn}"
    )


def test_a_trusted_user_needs_no_policy(server, ada, eve):
    arn = make_role(server, "of-eve", {"AWS": f"arn:aws:iam::{ACCOUNT}:user/sts-eve"})
    assert assume(server, eve, arn)
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(server, ada, arn)


def test_a_user_created_again_is_not_the_one_who_was_trusted(server):
    iam = server.client("iam")
    make_user(server, "sts-again")
    arn = make_role(server, "of-again", {"AWS": f"arn:aws:iam::{ACCOUNT}:user/sts-again"})
    for key in iam.list_access_keys(UserName="sts-again")["AccessKeyMetadata"]:
        iam.delete_access_key(UserName="sts-again", AccessKeyId=key["AccessKeyId"])
    iam.delete_user(UserName="sts-again")
    again = make_user(server, "sts-again", policy("sts:*"))
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(server, again, arn)
    iam.update_assume_role_policy(
        RoleName="of-again", PolicyDocument=trust({"AWS": f"arn:aws:iam::{ACCOUNT}:user/sts-again"})
    )
    assert assume(server, again, arn)
    iam.update_user(UserName="sts-again", NewUserName="sts-renamed")
    assert assume(server, again, arn), "it is still the one whom the policy names"


def test_an_external_id_is_compared(server, ada):
    arn = make_role(server, "external", {"AWS": ACCOUNT}, Condition={"StringEquals": {"sts:ExternalId": "the-id"}})
    assert assume(server, ada, arn, ExternalId="the-id")
    for more in ({}, {"ExternalId": "The-id"}):
        with pytest.raises(ClientError, match="AccessDenied"):
            assume(server, ada, arn, **more)


def test_tags_need_the_right_to_pass_them(server, ada):
    tags = [{"Key": "team", "Value": "blue"}]
    without = make_role(server, "without-tags", {"AWS": ACCOUNT})
    with pytest.raises(ClientError, match="sts:TagSession"):
        assume(server, ada, without, Tags=tags)
    condition = {"StringEquals": {"aws:RequestTag/team": "blue"}}
    arn = make_role(server, "with-tags", {"AWS": ACCOUNT}, EVERY, Condition=condition)
    assert assume(server, ada, arn, Tags=tags)["PackedPolicySize"] >= 1
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(server, ada, arn, Tags=[{"Key": "team", "Value": "red"}])
    twice = [*tags, {"Key": "Team", "Value": "red"}]
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        assume(server, ada, arn, Tags=twice)


def test_transitive_tags_and_the_source_identity_stay_through_a_chain(server, ada):
    first = make_role(server, "first", {"AWS": ACCOUNT}, EVERY)
    condition = {"StringEquals": {"aws:PrincipalTag/team": "blue", "sts:SourceIdentity": "ada"}}
    second = make_role(server, "second", {"AWS": ACCOUNT}, EVERY, Condition=condition)
    tags = [{"Key": "team", "Value": "blue"}, {"Key": "other", "Value": "x"}]
    session = assume(server, ada, first, Tags=tags, TransitiveTagKeys=["team"], SourceIdentity="ada")
    assert session["SourceIdentity"] == "ada"
    chained = assume(server, session["Credentials"], second)
    assert chained["SourceIdentity"] == "ada"
    without = make_role(server, "tags-alone", {"AWS": ACCOUNT}, ["sts:AssumeRole", "sts:TagSession"])
    with pytest.raises(ClientError, match="sts:SetSourceIdentity"):
        assume(server, session["Credentials"], without)
    third = assume(server, chained["Credentials"], second, SourceIdentity="ada")
    assert third["SourceIdentity"] == "ada"
    with pytest.raises(ClientError, match="InvalidParameterValue"):
        assume(server, session["Credentials"], second, Tags=[{"Key": "team", "Value": "blue"}])
    with pytest.raises(ClientError, match="AccessDenied"):
        assume(server, session["Credentials"], first, SourceIdentity="eve")
    with pytest.raises(ClientError, match="ValidationError"):
        assume(server, ada, first, Tags=tags, TransitiveTagKeys=["absent"])


def test_session_policies_limit_a_session(server, ada):
    arn = make_role(server, "limited", {"AWS": ACCOUNT})
    free = assume(server, ada, arn)["Credentials"]
    assert assume(server, free, arn)
    for more in ({"Policy": policy("s3:*")}, {"PolicyArns": [{"arn": READ_ONLY}]}):
        answer = assume(server, ada, arn, **more)
        assert 1 <= answer["PackedPolicySize"] <= 100
        with pytest.raises(ClientError, match="AccessDenied"):
            assume(server, answer["Credentials"], arn)
    both = {"Policy": policy("sts:AssumeRole"), "PolicyArns": [{"arn": READ_ONLY}]}
    assert assume(server, assume(server, ada, arn, **both)["Credentials"], arn)


def test_session_policies_are_checked(server, ada):
    arn = make_role(server, "checked", {"AWS": ACCOUNT})
    call, required = signed_by(server, ada, "sts").assume_role, {"RoleArn": arn, "RoleSessionName": "me"}
    assert code_of(call, **required, Policy="{}") == "MalformedPolicyDocument"
    large = policy(*[f"s3:Action{number}" for number in range(200)])
    assert code_of(call, **required, Policy=large) == "PackedPolicyTooLarge"
    unknown = [{"arn": "arn:aws:iam::aws:policy/NoSuchAccess"}]
    assert code_of(call, **required, PolicyArns=unknown) == "ValidationError"
    assert code_of(call, **required, DurationSeconds=7201) == "ValidationError"


def test_a_denied_user_is_told_no_more_about_a_role_that_exists_than_about_one_that_does_not(server, eve):
    arn = make_role(server, "secret", {"AWS": ACCOUNT})
    messages = set()
    for one in (arn, arn.replace("secret", "absent")):
        with pytest.raises(ClientError) as caught:
            assume(server, eve, one)
        messages.add(caught.value.response["Error"]["Message"].replace("absent", "secret"))
    assert len(messages) == 1


def test_a_federation_token_is_for_someone_whom_a_user_vouches_for(server, ada):
    sts = signed_by(server, ada, "sts")
    answer = sts.get_federation_token(Name="bob", Policy=policy("s3:*"), Tags=[{"Key": "k", "Value": "v"}])
    assert answer["FederatedUser"] == {
        "FederatedUserId": f"{ACCOUNT}:bob",
        "Arn": f"arn:aws:sts::{ACCOUNT}:federated-user/bob",
    }
    federated = signed_by(server, answer["Credentials"], "sts")
    assert federated.get_caller_identity()["Arn"].endswith("federated-user/bob")
    assert code_of(federated.get_session_token) == "AccessDenied"
    assert code_of(sts.get_federation_token, Name="bob", Policy="{}") == "MalformedPolicyDocument"


def test_a_session_token_of_a_user_has_the_users_policies(server, ada):
    session = signed_by(server, ada, "sts").get_session_token(DurationSeconds=900)["Credentials"]
    arn = make_role(server, "by-session", {"AWS": ACCOUNT})
    assert assume(server, session, arn)
    assert code_of(signed_by(server, session, "sts").get_federation_token, Name="bob") == "AccessDenied"


def test_the_account_of_a_key_is_known(server, ada):
    sts = signed_by(server, ada, "sts")
    for key in (ada["AccessKeyId"], server.endpoint.access_key_id):
        assert sts.get_access_key_info(AccessKeyId=key)["Account"] == ACCOUNT
    assert code_of(sts.get_access_key_info, AccessKeyId="AKIA0000000000000000") == "ValidationError"


def test_messages_that_are_not_encoded_are_not_decoded(server):
    with pytest.raises(ClientError, match="NotImplemented"):
        server.client("sts").decode_authorization_message(EncodedMessage=json.dumps({}))
