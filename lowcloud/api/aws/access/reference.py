"""AWS's service authorization reference: which services, actions, resources and condition keys exist.

The data is that of the services which have operations here (reference.json), and the prefixes of all (services.json);
scripts/access-reference writes both.
"""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import resources
from typing import Any

from lowcloud.core.patterns import wildcard_pattern

# Source: IAM User Guide, "AWS global condition context keys". What follows the slash of some is free.
GLOBAL_KEYS = frozenset(
    f"aws:{name}".lower()
    for name in (
        *("CalledVia", "CalledViaFirst", "CalledViaLast", "CurrentTime", "EpochTime", "FederatedProvider", "Referer"),
        *("MultiFactorAuthAge", "MultiFactorAuthPresent", "AssumedRoot", "ChatbotSourceArn", "UserAgent", "userid"),
        *("Ec2InstanceSourceVpc", "Ec2InstanceSourcePrivateIPv4", "PrincipalAccount", "PrincipalArn", "PrincipalOrgID"),
        *("PrincipalOrgPaths", "PrincipalTag", "PrincipalIsAWSService", "PrincipalServiceName", "PrincipalType"),
        *("PrincipalServiceNamesList", "RequestedRegion", "RequestTag", "ResourceAccount", "ResourceOrgID", "SourceIp"),
        *("ResourceOrgPaths", "ResourceTag", "SecureTransport", "SourceAccount", "SourceArn", "SourceIdentity"),
        *("SourceOrgID", "SourceOrgPaths", "SourceVpc", "SourceVpcArn", "SourceVpce", "VpceAccount", "VpceOrgID"),
        *(
            "VpceOrgPaths",
            "TagKeys",
            "TokenIssueTime",
            "username",
            "ViaAWSService",
            "VpcSourceIp",
            "IsMcpServiceAction",
        ),
        *("SourceOwner", "SignInSessionArn", "ViaAWSMCPService", "PrincipalOrgMasterAccountId"),
    )
)
MULTIVALUED_GLOBAL_KEYS = frozenset(
    ("aws:calledvia", "aws:principalorgpaths", "aws:principalservicenameslist", "aws:resourceorgpaths", "aws:tagkeys")
) | {"aws:sourceorgpaths", "aws:vpceorgpaths"}


@dataclass(frozen=True)
class Service:
    """What the reference has of one service."""

    prefix: str
    actions: Mapping[str, str]  # by name in lower case, as AWS writes it
    arns: Sequence[str]  # formats
    keys: Mapping[str, str]  # types by name in lower case, with a slash at the end if what follows is free

    def names_of(self, pattern: str) -> list[str]:
        """Return the actions that a pattern without the prefix names."""
        wanted = wildcard_pattern(pattern.lower())
        return [name for lower, name in self.actions.items() if wanted.matches(lower)]

    def type_of_key(self, key: str) -> str | None:
        """Return the type of a condition key, or None if the service has none of this name."""
        head, slash, _ = key.lower().partition("/")
        return self.keys.get(f"{head}{slash}")


@cache
def find(prefix: str) -> Service | None:
    """Return what is known of a service by the prefix of its actions."""
    found = _read("reference.json").get(prefix)
    if found is None:
        return None
    keys = {re.sub(r"(\$\{|<).*", "", key).lower(): type_ for key, type_ in found["keys"].items()}
    actions = {name.lower(): name for name in found["actions"]}
    return Service(prefix, actions, tuple(found["resources"].values()), keys)


@cache
def prefixes() -> frozenset[str]:
    """Return the prefixes of all services of AWS, and our own."""
    return frozenset(_read("services.json")) | {"lowcloud"}


@cache
def _read(name: str) -> Any:
    return json.loads(resources.files("lowcloud.api.aws.access").joinpath(name).read_text())
