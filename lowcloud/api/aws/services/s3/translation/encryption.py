"""Server-side encryption in requests and responses: SSE-S3 (AES256), SSE-KMS (named keys), SSE-C (customer keys)."""

import json
import re
from base64 import b64decode
from collections.abc import Mapping

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.operations import Request
from lowcloud.core.context import Context
from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects.metadata import (
    MASTER_KEY_ENCRYPTION,
    Encryption,
    bucket_encryption,
    key_md5,
    named_key_id,
)

AES256, KMS = "AES256", "aws:kms"
CUSTOMER_KEY_BYTES = 32

_HEADER = "x-amz-server-side-encryption"
_SSE_C = "Requests specifying Server Side Encryption with Customer provided keys must provide"
_KEY_NAME = re.compile(
    r"(?:arn:aws[\w-]*:kms:(?P<region>[\w-]+):(?P<account>\d{12}):)?"
    r"((key/)?[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(key/)?mrk-[0-9a-f]{32}|alias/[\w/-]+)"
)


def parse_encryption(context: Context, request: Request) -> tuple[Encryption | None, bytes | None]:
    """Parse the encryption of a new object (None: the bucket's default) and the customer's key.

    Raises AwsError.
    """
    algorithm: str | None = request.get("ServerSideEncryption")
    key = parse_customer_key(request)
    if key is not None:
        if algorithm is not None:
            message = "Server Side Encryption with Customer provided key is incompatible with the encryption method"
            raise _invalid(f"{message} specified", algorithm)
        return Encryption(customer_key_md5=key_md5(key)), key
    if algorithm not in (None, AES256, KMS):
        raise AwsError("NotImplemented", f"Lowcloud does not support encryption with {algorithm} yet.", 501)
    if algorithm != KMS and ("SSEKMSKeyId" in request or "SSEKMSEncryptionContext" in request):
        raise _invalid(
            f"Server Side Encryption with AWS KMS managed key requires HTTP header {_HEADER} : aws:kms", algorithm
        )
    if algorithm == KMS:
        return _parse_named_key(context, request), None
    if algorithm is None and "BucketKeyEnabled" in request:
        default = bucket_encryption(context, buckets.find(context, request["Bucket"]).encryption)
        return (default if default.key_id is None else Encryption(default.key_id, request["BucketKeyEnabled"])), None
    return (None if algorithm is None else MASTER_KEY_ENCRYPTION), None


def parse_customer_key(request: Request, prefix: str = "") -> bytes | None:
    """Parse the customer's key in a request; that of a copy's source has the prefix CopySource. Raises AwsError."""
    algorithm, text = request.get(f"{prefix}SSECustomerAlgorithm"), request.get(f"{prefix}SSECustomerKey")
    if algorithm is None and text is None and f"{prefix}SSECustomerKeyMD5" not in request:
        return None
    if algorithm is None:
        raise _invalid(f"{_SSE_C} a valid encryption algorithm.")
    if text is None:
        raise _invalid(f"{_SSE_C} an appropriate secret key.")
    if algorithm != AES256:
        message = "The encryption request you specified is not valid. The valid value is AES256."
        fields = {"ArgumentName": _HEADER, "ArgumentValue": algorithm}
        raise AwsError("InvalidEncryptionAlgorithmError", message, fields=fields)
    key = _key_bytes(text)
    if f"{prefix}SSECustomerKeyMD5" not in request:
        raise _invalid(f"{_SSE_C} the client calculated MD5 of the secret key.")
    if key_md5(key) != request[f"{prefix}SSECustomerKeyMD5"]:
        raise _invalid("The calculated MD5 hash of the key did not match the hash that was provided.")
    return key


def render_encryption(context: Context, encryption: Encryption | None) -> Mapping[str, object]:
    """Return the members of a response for an object's encryption."""
    if encryption is None or encryption is MASTER_KEY_ENCRYPTION:
        return _SSE_S3
    if encryption.customer_key_md5 is not None:
        return {"SSECustomerAlgorithm": AES256, "SSECustomerKeyMD5": encryption.customer_key_md5}
    region, account = _region_and_account(context)
    return {
        "ServerSideEncryption": KMS,
        "SSEKMSKeyId": f"arn:aws:kms:{region}:{account}:key/{encryption.key_id}",
        "SSEKMSEncryptionContext": encryption.context,
        "BucketKeyEnabled": encryption.uses_bucket_key or None,
    }


_SSE_S3: Mapping[str, object] = {"ServerSideEncryption": AES256}


def _parse_named_key(context: Context, request: Request) -> Encryption:
    name = request.get("SSEKMSKeyId")
    if name is not None:
        match = _KEY_NAME.fullmatch(name)
        if match is None or (match["region"], match["account"]) not in ((None, None), _region_and_account(context)):
            raise AwsError("KMS.NotFoundException", f"Invalid keyId {name[:128]!r}")
    uses_bucket_key = request.get("BucketKeyEnabled")
    if uses_bucket_key is None:
        default = buckets.find(context, request["Bucket"]).encryption
        uses_bucket_key = default is not None and bool(default.get("bucket_key"))
    encryption_context = _check_context(request.get("SSEKMSEncryptionContext"))
    return Encryption(named_key_id(context, name), uses_bucket_key, context=encryption_context)


def _region_and_account(context: Context) -> tuple[str, str]:
    """Return region and account of every named key."""
    return context.settings.region, context.settings.account_id


def _check_context(encryption_context: str | None) -> str | None:
    """Return a valid encryption context: base64 of a JSON object of strings. Raises AwsError."""
    if encryption_context is None:
        return None
    try:
        pairs = json.loads(b64decode(encryption_context, validate=True))
    except (ValueError, RecursionError):
        pairs = None
    if not isinstance(pairs, dict) or not all(isinstance(value, str) for value in pairs.values()):
        message = f"The header '{_HEADER}-context' shall be Base64-encoded UTF-8 string holding JSON"
        raise AwsError("InvalidArgument", f"{message} which represents a string-string map")
    return encryption_context


def _key_bytes(text: str) -> bytes:
    try:
        key = b64decode(text, validate=True)
    except ValueError:
        key = b""
    if len(key) != CUSTOMER_KEY_BYTES:
        raise _invalid("The secret key was invalid for the specified algorithm.")
    return key


def _invalid(message: str, value: str | None = None) -> AwsError:
    return AwsError("InvalidArgument", message, fields={"ArgumentName": _HEADER, "ArgumentValue": value or "null"})
