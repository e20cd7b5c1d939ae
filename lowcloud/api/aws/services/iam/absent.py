"""Lists of what no user and no account has here: programs ask for them before they delete a user."""

from collections.abc import Callable

from lowcloud.api.aws.access.permissions import on_any
from lowcloud.api.aws.operations import Answer, Request, operation
from lowcloud.api.aws.services.iam.permissions import on_user
from lowcloud.api.aws.services.iam.translation import user_name_of
from lowcloud.core import resources
from lowcloud.core.context import Context
from lowcloud.core.identity.callers import Caller
from lowcloud.core.identity.users import USER

OF_USERS = {
    "ListMFADevices": "MFADevices",
    "ListSSHPublicKeys": "SSHPublicKeys",
    "ListSigningCertificates": "Certificates",
    "ListServiceSpecificCredentials": "ServiceSpecificCredentials",
}
OF_ACCOUNTS = {
    "ListAccountAliases": "AccountAliases",
    "ListSAMLProviders": "SAMLProviderList",
    "ListServerCertificates": "ServerCertificateMetadataList",
    "ListVirtualMFADevices": "VirtualMFADevices",
}
# An empty list is the same whatever it is filtered by.
FILTERS = {
    "ListServiceSpecificCredentials": ("ServiceName", "AllUsers"),
    "ListVirtualMFADevices": ("AssignmentStatus",),
}


def _list_of_user(member: str) -> Callable[[Context, Caller, Request], Answer]:
    def list_none(context: Context, caller: Caller, request: Request) -> Answer:
        if "UserName" in request or not caller.is_root:
            resources.find(context, USER, user_name_of(caller, request))
        return {member: [], "IsTruncated": False}

    return list_none


def _list_of_account(member: str) -> Callable[[Context, Caller, Request], Answer]:
    def list_none(context: Context, caller: Caller, request: Request) -> Answer:
        return {member: [], "IsTruncated": False}

    return list_none


for _name, _member in OF_USERS.items():
    operation("iam", _name, on_user(), ignored=FILTERS.get(_name, ()))(_list_of_user(_member))
for _name, _member in OF_ACCOUNTS.items():
    operation("iam", _name, on_any(), ignored=FILTERS.get(_name, ()))(_list_of_account(_member))
