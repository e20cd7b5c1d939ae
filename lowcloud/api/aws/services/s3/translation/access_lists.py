"""Access control lists on the wire: canned ones, grants in headers, and the document; the one owner is the account."""

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
DISPLAY_NAMES = ("AccessControlPolicy.Owner.DisplayName", "AccessControlPolicy.Grants.Grantee.DisplayName")  # as AWS
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
_CANNED: dict[str, tuple[tuple[str, str], ...]] = {  # beside the owner's full control
    "private": (),
    "public-read": (("everyone", "read"),),
    "public-read-write": (("everyone", "read"), ("everyone", "write")),
    "authenticated-read": (("users", "read"),),
    "bucket-owner-read": (),
    "bucket-owner-full-control": (),
}
_GRANTEE = re.compile(r'\s*(id|uri|emailAddress)\s*=\s*"?([^",]*)"?\s*')


def owner_id(context: Context) -> str:
    """The account as lists name it: a canonical id, which tells nothing of the account id."""
    return sha256(f"canonical user {context.settings.account_id}".encode()).hexdigest()


def has_list_headers(request: Request) -> bool:
    """Whether a request's headers say anything of a list; few do."""
    return "ACL" in request or not _HEADERS.keys().isdisjoint(request)


def parse_list_headers(request: Request, owner: str) -> AccessList | None:
    """The list that a request's headers ask for, or None. Raises AwsError."""
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
    """The list that a request puts: in its headers, or as its document. Raises AwsError."""
    policy, asked = request.get("AccessControlPolicy"), parse_list_headers(request, owner)
    if policy is not None and asked is not None:
        raise AwsError("UnexpectedContent", "This request does not support content")
    if asked is not None:
        return asked
    if policy is None:
        raise AwsError("MissingSecurityHeader", "Your request was missing a required header")
    if policy.get("Owner", {}).get("ID", owner) != owner:
        raise AwsError("AccessDenied", "Access Denied", 403)
    return {"grants": [_read_grant(grant, owner) for grant in policy.get("Grants", ())]}


def render_list(document: AccessList, owner: str) -> Answer:
    """The document that tells a list."""
    permissions = {neutral: said for said, neutral in _PERMISSIONS.items()}
    return {
        "Owner": {"ID": owner},
        "Grants": [
            {"Grantee": _told_grantee(grant["to"], owner), "Permission": permissions[grant["may"]]}
            for grant in document["grants"]
        ],
    }


def check_list_allowed(context: Context, bucket: str, document: AccessList) -> None:
    """Whether the bucket takes this list, for itself or for an object. Raises AwsError."""
    if document == OWNER_ONLY:
        return
    with context.database.read() as connection:
        if not access_lists.are_enabled(connection, bucket):
            raise AwsError("AccessControlListNotSupported", "The bucket does not allow ACLs")
        block = configurations.read(connection, bucket, PUBLIC_ACCESS_BLOCK) or {}
    if block.get("block_lists") and access_lists.is_public(document):
        raise AwsError("AccessDenied", "Public access control lists are prevented by the public access block.", 403)


def store_list(context: Context, request: Request, made: Version | Upload) -> None:
    """Give a new object, or the one that an upload will be, the list that the request asks for."""
    asked = parse_list_headers(request, owner_id(context)) if has_list_headers(request) else None
    if asked is not None and asked != OWNER_ONLY:
        access_lists.put_object_list(context, made.bucket, made.key, made.id, asked)


def _canned(name: str) -> AccessList:
    if name not in _CANNED:
        raise AwsError("NotImplemented", f"Lowcloud has no canned access control list {name}.", 501)
    return {"grants": [*OWNER_ONLY["grants"], *({"to": to, "may": may} for to, may in _CANNED[name])]}


def _grantees(text: str, owner: str) -> Iterator[str]:
    """Whom a header names: id="...", uri="...", with commas between."""
    for part in text.split(","):
        match = _GRANTEE.fullmatch(part)
        if match is None:
            raise AwsError("InvalidArgument", "Argument format not recognized")
        kind, value = match.groups()
        yield _grantee({"id": "CanonicalUser", "uri": "Group"}.get(kind, "AmazonCustomerByEmail"), value, owner)


def _read_grant(grant: Mapping[str, Any], owner: str) -> dict[str, str]:
    grantee, permission = grant.get("Grantee"), grant.get("Permission")
    if grantee is None or permission is None:
        raise AwsError("MalformedACLError", "The XML you provided was not well-formed or did not validate.")
    name = {"CanonicalUser": "ID", "Group": "URI", "AmazonCustomerByEmail": "EmailAddress"}[grantee["Type"]]
    return {"to": _grantee(grantee["Type"], grantee.get(name, ""), owner), "may": _PERMISSIONS[permission]}


def _grantee(kind: str, value: str, owner: str) -> str:
    """Whom a list means, in neutral words."""
    if kind == "AmazonCustomerByEmail":
        sentence = "The e-mail address you provided does not match any account on record."
        raise AwsError("UnresolvableGrantByEmailAddress", sentence)
    if kind == "CanonicalUser" and value == owner:
        return "owner"
    if kind == "Group" and value in _GROUPS.values():
        return next(name for name, uri in _GROUPS.items() if uri == value)
    word = "id" if kind == "CanonicalUser" else "group uri"
    raise AwsError("InvalidArgument", f"Invalid {word}", fields={"ArgumentName": kind, "ArgumentValue": value})


def _told_grantee(to: str, owner: str) -> dict[str, str]:
    if to == "owner":
        return {"Type": "CanonicalUser", "ID": owner}
    return {"Type": "Group", "URI": _GROUPS[to]}
