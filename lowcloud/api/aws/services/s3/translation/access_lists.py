"""Access control lists: canned ACLs, grant headers and the XML document. The only owner is the account."""

import re
from collections.abc import Iterator, Mapping
from hashlib import sha256
from typing import Any

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Answer, Request
from lowcloud.core.context import Context
from lowcloud.core.storage.access import access_lists
from lowcloud.core.storage.access.access_lists import OWNER_ONLY, AccessList
from lowcloud.core.storage.buckets import configurations
from lowcloud.core.storage.buckets.buckets import PUBLIC_ACCESS_BLOCK
from lowcloud.core.storage.multipart.uploads import Upload
from lowcloud.core.storage.objects.versions import Version

ACL = access_lists.KIND
# Members that AWS ignores too.
DISPLAY_NAMES = ("AccessControlPolicy.Owner.DisplayName", "AccessControlPolicy.Grants.Grantee.DisplayName")
_GROUPS = {
    "everyone": "http://acs.amazonaws.com/groups/global/AllUsers",
    "users": "http://acs.amazonaws.com/groups/global/AuthenticatedUsers",
    "logs": "http://acs.amazonaws.com/groups/s3/LogDelivery",
}
_PERMISSIONS = {
    "FULL_CONTROL": "full-control",
    "READ": "read",
    "WRITE": "write",
    "READ_ACP": "read-list",
    "WRITE_ACP": "write-list",
}
_HEADERS = {
    "GrantFullControl": "FULL_CONTROL",
    "GrantRead": "READ",
    "GrantReadACP": "READ_ACP",
    "GrantWrite": "WRITE",
    "GrantWriteACP": "WRITE_ACP",
}
_CANNED: dict[str, tuple[tuple[str, str], ...]] = {  # in addition to the owner's full control
    "private": (),
    "public-read": (("everyone", "read"),),
    "public-read-write": (("everyone", "read"), ("everyone", "write")),
    "authenticated-read": (("users", "read"),),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
}
_GRANTEE = re.compile(r'\s*(id|uri|emailAddress)\s*=\s*"?([^",]*)"?\s*')


def owner_id(context: Context) -> str:
    """Return the canonical user id of the account, which does not reveal the account id."""
    return sha256(f"canonical user {context.settings.account_id}".encode()).hexdigest()


def has_list_headers(request: Request) -> bool:
    """Return whether a request has ACL headers, which few requests do."""
    return "ACL" in request or not _HEADERS.keys().isdisjoint(request)


def parse_list_headers(request: Request, owner: str) -> AccessList | None:
    """Parse the list in a request's headers; None without such headers. Raises AwsError."""
    headers = [name for name in _HEADERS if name in request]
    if "ACL" in request and headers:
        raise AwsError("InvalidRequest", "Specifying both Canned ACLs and Header Grants is not allowed")
    if "ACL" in request:
        return _canned(request["ACL"])
    if not headers:
        return None
    grants = [
        {"to": to, "may": _PERMISSIONS[_HEADERS[name]]} for name in headers for to in _grantees(request[name], owner)
    ]
    return {"grants": grants}


def parse_list(request: Request, owner: str) -> AccessList:
    """Parse the list that a request sets, in its headers or its document. Raises AwsError."""
    policy, from_headers = request.get("AccessControlPolicy"), parse_list_headers(request, owner)
    if policy is not None and from_headers is not None:
        raise AwsError("UnexpectedContent", "This request does not support content")
    if from_headers is not None:
        return from_headers
    if policy is None:
        raise AwsError("MissingSecurityHeader", "Your request was missing a required header")
    if policy.get("Owner", {}).get("ID", owner) != owner:
        raise AwsError("AccessDenied", "Access Denied", 403)
    return {"grants": [_parse_grant(grant, owner) for grant in policy.get("Grants", ())]}


def render_list(document: AccessList, owner: str) -> Answer:
    """Return the document of a list."""
    permissions = {neutral: name for name, neutral in _PERMISSIONS.items()}
    return {
        "Owner": {"ID": owner},
        "Grants": [
            {"Grantee": _render_grantee(grant["to"], owner), "Permission": permissions[grant["may"]]}
            for grant in document["grants"]
        ],
    }


def check_list_allowed(context: Context, bucket: str, document: AccessList) -> None:
    """Raise AwsError if the bucket does not allow this list, for itself or for an object."""
    if document == OWNER_ONLY:
        return
    with context.database.read() as connection:
        if not access_lists.are_enabled(connection, bucket):
            raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")
        block = configurations.read(connection, bucket, PUBLIC_ACCESS_BLOCK) or {}
    if block.get("block_lists") and access_lists.is_public(document):
        raise AwsError("AccessDenied", "Public access control lists are prevented by the public access block.", 403)


def store_list(context: Context, request: Request, created: Version | Upload) -> None:
    """Store the list in a request's headers for a new object or upload."""
    access_list = parse_list_headers(request, owner_id(context)) if has_list_headers(request) else None
    if access_list is not None and access_list != OWNER_ONLY:
        access_lists.put_object_list(context, created.bucket, created.key, created.id, access_list)


def _canned(name: str) -> AccessList:
    if name not in _CANNED:
        raise AwsError("NotImplemented", f"Lowcloud does not support the canned ACL {name}.", 501)
    return {"grants": [*OWNER_ONLY["grants"], *({"to": to, "may": may} for to, may in _CANNED[name])]}


def _grantees(text: str, owner: str) -> Iterator[str]:
    """Parse the grantees in a header: id="...", uri="...", separated by commas."""
    for part in text.split(","):
        match = _GRANTEE.fullmatch(part)
        if match is None:
            raise AwsError("InvalidArgument", "Argument format not recognized")
        kind, value = match.groups()
        yield _grantee({"id": "CanonicalUser", "uri": "Group"}.get(kind, "AmazonCustomerByEmail"), value, owner)


def _parse_grant(grant: Mapping[str, Any], owner: str) -> dict[str, str]:
    grantee, permission = grant.get("Grantee"), grant.get("Permission")
    if grantee is None or permission is None:
        raise AwsError("MalformedACLError", "The XML you provided was not well-formed or did not validate.")
    name = {"CanonicalUser": "ID", "Group": "URI", "AmazonCustomerByEmail": "EmailAddress"}[grantee["Type"]]
    return {"to": _grantee(grantee["Type"], grantee.get(name, ""), owner), "may": _PERMISSIONS[permission]}


def _grantee(kind: str, value: str, owner: str) -> str:
    """Return a grantee in neutral form."""
    if kind == "AmazonCustomerByEmail":
        message = "The e-mail address you provided does not match any account on record."
        raise AwsError("UnresolvableGrantByEmailAddress", message)
    if kind == "CanonicalUser" and value == owner:
        return "owner"
    if kind == "Group" and value in _GROUPS.values():
        return next(name for name, uri in _GROUPS.items() if uri == value)
    attribute = "id" if kind == "CanonicalUser" else "group uri"
    raise AwsError("InvalidArgument", f"Invalid {attribute}", fields={"ArgumentName": kind, "ArgumentValue": value})


def _render_grantee(to: str, owner: str) -> dict[str, str]:
    if to == "owner":
        return {"Type": "CanonicalUser", "ID": owner}
    return {"Type": "Group", "URI": _GROUPS[to]}
