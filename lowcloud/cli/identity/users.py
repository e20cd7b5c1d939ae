"""The commands for the people of a cloud: `lowcloud users add`, `list`, `login` and `remove`."""

from collections.abc import Iterator, Mapping
from typing import Annotated, Any

import typer

from lowcloud.cli.terminal.connection import connect_aws, find
from lowcloud.cli.terminal.lists import AsJson, items_of, print_list, to_time
from lowcloud.cli.terminal.output import Home, Yes, confirm, fail, of_home, say
from lowcloud.cli.terminal.parser import Command, Group

app = typer.Typer(cls=Group, no_args_is_help=True, help="Add people to this cloud, and give them keys of their own.")

KEYS_LIMIT = 2
Name = Annotated[str, typer.Argument(help="The name of the user.")]


@app.command(cls=Command)
def add(
    name: Name,
    group: Annotated[
        list[str] | None, typer.Option(metavar="GROUP", help="A group to join, created if there is none. Repeatable.")
    ] = None,
    policy: Annotated[
        list[str] | None,
        typer.Option(metavar="POLICY", help="The ARN or name of a managed policy to attach. Repeatable."),
    ] = None,
    home: Home = None,
) -> None:
    """Add a user, who may do what the policies of the user and of its groups allow: nothing without any."""
    iam = connect_aws(home, "iam")
    arns = [_policy_arn(iam, one) for one in policy or []]
    iam.create_user(UserName=name)
    for arn in arns:
        iam.attach_user_policy(UserName=name, PolicyArn=arn)
    for one in group or []:
        _join(iam, one, name)
    say(f"{name} is added; print keys with: {of_home(f'lowcloud users login {name}', home)}")


@app.command(name="list", cls=Command)
def list_users(as_json: AsJson = False, home: Home = None) -> None:
    """List the users with their groups, policies and keys."""
    iam = connect_aws(home, "iam")
    columns = {
        "User": lambda user: user["UserName"],
        "Groups": lambda user: ", ".join(user["Groups"]),
        "Policies": lambda user: ", ".join(user["Policies"]),
        "Keys": lambda user: ", ".join(user["AccessKeys"]),
        "Last used": lambda user: to_time(user["LastUsedTime"]),
    }
    print_list(_users(iam), columns, "users", None, as_json)


@app.command(cls=Command)
def login(
    name: Name,
    rotate: Annotated[bool, typer.Option("--rotate", help="Delete the user's earlier keys.")] = False,
    home: Home = None,
) -> None:
    """Print a new access key of a user, for a shell and for AWS's configuration files. It is shown only once."""
    iam = connect_aws(home, "iam")
    earlier = [key["AccessKeyId"] for key in iam.list_access_keys(UserName=name)["AccessKeyMetadata"]]
    if len(earlier) >= KEYS_LIMIT and not rotate:
        raise fail(f"{name} has {len(earlier)} keys, which is the maximum. --rotate replaces them.")
    if len(earlier) >= KEYS_LIMIT:
        iam.delete_access_key(UserName=name, AccessKeyId=earlier.pop(0))
    key = iam.create_access_key(UserName=name)["AccessKey"]
    for one in earlier if rotate else []:
        iam.delete_access_key(UserName=name, AccessKeyId=one)
    settings, endpoint = find(home)
    print(_login_text(key, settings.region, endpoint))


@app.command(cls=Command)
def remove(name: Name, yes: Yes = False, home: Home = None) -> None:
    """Remove a user with its keys and policies. Its sessions end."""
    iam = connect_aws(home, "iam")
    iam.get_user(UserName=name)
    confirm(f"Remove the user {name} with its keys and policies?", yes)
    user = {"UserName": name}
    for key in iam.list_access_keys(**user)["AccessKeyMetadata"]:
        iam.delete_access_key(**user, AccessKeyId=key["AccessKeyId"])
    for group in iam.list_groups_for_user(**user)["Groups"]:
        iam.remove_user_from_group(**user, GroupName=group["GroupName"])
    for policy in iam.list_attached_user_policies(**user)["AttachedPolicies"]:
        iam.detach_user_policy(**user, PolicyArn=policy["PolicyArn"])
    for written in iam.list_user_policies(**user)["PolicyNames"]:
        iam.delete_user_policy(**user, PolicyName=written)
    iam.delete_user(**user)
    say(f"{name} is removed")


def _policy_arn(iam: Any, policy: str) -> str:
    """Return the ARN of a policy, given by ARN or name. Ends the command for a name that is none."""
    if policy.startswith("arn:"):
        return policy
    for found in items_of(iam.get_paginator("list_policies").paginate(), "Policies"):
        if found["PolicyName"].lower() == policy.lower():
            return str(found["Arn"])
    raise fail(f"There is no managed policy named {policy!r}; names: aws iam list-policies.")


def _join(iam: Any, group: str, name: str) -> None:
    try:
        iam.add_user_to_group(GroupName=group, UserName=name)
    except iam.exceptions.NoSuchEntityException:
        iam.create_group(GroupName=group)
        iam.add_user_to_group(GroupName=group, UserName=name)
        say(f"The group {group} is new, and has no policies yet: aws iam attach-group-policy")


def _users(iam: Any) -> Iterator[Mapping[str, Any]]:
    for user in items_of(iam.get_paginator("list_users").paginate(), "Users"):
        named = {"UserName": user["UserName"]}
        keys = [key["AccessKeyId"] for key in iam.list_access_keys(**named)["AccessKeyMetadata"]]
        used = [iam.get_access_key_last_used(AccessKeyId=key)["AccessKeyLastUsed"] for key in keys]
        times = [one["LastUsedDate"].timestamp() for one in used if "LastUsedDate" in one]
        attached = iam.list_attached_user_policies(**named)["AttachedPolicies"]
        yield {
            "UserName": user["UserName"],
            "Arn": user["Arn"],
            "Groups": [group["GroupName"] for group in iam.list_groups_for_user(**named)["Groups"]],
            "Policies": [
                *(policy["PolicyName"] for policy in attached),
                *iam.list_user_policies(**named)["PolicyNames"],
            ],
            "AccessKeys": keys,
            "LastUsedTime": max(times, default=None),
        }


def _login_text(key: Mapping[str, str], region: str, endpoint: str) -> str:
    key_id, secret = key["AccessKeyId"], key["SecretAccessKey"]
    return f"""\
# For a shell:
export AWS_ACCESS_KEY_ID={key_id}
export AWS_SECRET_ACCESS_KEY={secret}
export AWS_REGION={region}
export AWS_DEFAULT_REGION={region}
export AWS_ENDPOINT_URL={endpoint}

# Or for ~/.aws/credentials:
[lowcloud]
aws_access_key_id = {key_id}
aws_secret_access_key = {secret}

# and ~/.aws/config, for commands with --profile lowcloud:
[profile lowcloud]
region = {region}
endpoint_url = {endpoint}"""
