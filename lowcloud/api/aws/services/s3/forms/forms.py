"""Browser uploads by HTML forms: verification of the signed policy, and translation into a PutObject.

Source: Amazon S3 API Reference, "Authenticating requests in browser-based uploads using POST".
"""

import hmac
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import parse_qsl, quote, urlencode, urlsplit, urlunsplit

from lowcloud.api.aws.auth import signature_v2
from lowcloud.api.aws.auth.signature_errors import ALGORITHM, SignatureError, SignatureFault
from lowcloud.api.aws.auth.signature_v4 import signing_key
from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.protocol.formats import xml
from lowcloud.api.aws.request_bodies import RequestBody
from lowcloud.api.aws.services.s3.forms.multipart_form import FormUpload, parse_form
from lowcloud.api.aws.services.s3.forms.post_policy import SizeLimits, check_policy
from lowcloud.api.aws.services.s3.translation.errors import entity_too_large
from lowcloud.api.http.messages import HttpRequest, HttpResponse
from lowcloud.core.context import Context
from lowcloud.core.identity import credentials
from lowcloud.core.identity.callers import ANONYMOUS, Caller
from lowcloud.core.identity.credentials import TokenExpiredError, UnknownKeyError
from lowcloud.core.identity.sessions import Credentials

_V2_FIELDS = ("awsaccesskeyid", "signature")
_V4_FIELDS = ("x-amz-algorithm", "x-amz-credential", "x-amz-date", "x-amz-signature")
_SIGNATURE_FIELDS = (*_V2_FIELDS, *_V4_FIELDS, "x-amz-security-token")
_STORED_HEADERS = (
    "cache-control",
    "content-type",
    "content-disposition",
    "content-encoding",
    "content-language",
    "expires",
)
_HEADERS = {"acl": "x-amz-acl", "content-md5": "content-md5", **{name: name for name in _STORED_HEADERS}}


@dataclass(frozen=True)
class Form:
    """A form as a PutObject request, and the response that its sender expects."""

    request: HttpRequest
    file: RequestBody
    caller: Caller
    bucket: str
    key: str
    redirect: str | None
    status: str
    location: str

    @property
    def labels(self) -> Mapping[str, str]:
        """The labels of PutObject's path."""
        return {"Bucket": quote(self.bucket), "Key": quote(self.key)}

    def to_response(self, put: HttpResponse) -> HttpResponse:
        """Return PutObject's response in the form that the sender requested."""
        headers = {**put.headers, "location": self.location}
        etag = put.headers["etag"]
        redirect = _redirect_url(self, etag)
        if redirect is not None:
            return HttpResponse(303, {**headers, "location": redirect})
        if self.status != "201":
            return HttpResponse(200 if self.status == "200" else 204, headers)
        elements = {"Location": self.location, "Bucket": self.bucket, "Key": self.key, "ETag": etag}
        content = "".join(f"<{name}>{xml.escape(value)}</{name}>" for name, value in elements.items())
        body = f"{xml.DECLARATION}<PostResponse>{content}</PostResponse>".encode()
        return HttpResponse(201, {**headers, "content-type": "application/xml"}, body)


def is_form(request: HttpRequest) -> bool:
    """Return whether a request is a form upload."""
    content_type = request.headers.get("content-type", "").lower()
    return request.method == "POST" and content_type.startswith("multipart/form-data")


def read_form(context: Context, request: HttpRequest, bucket: str, pieces: Iterator[bytes]) -> Form:
    """Read the form up to the beginning of its file. Raises AwsError and SignatureError; reading the file too."""
    upload = parse_form(request.headers.get("content-type", ""), pieces)
    fields = _substitute_filename(upload)
    key = fields.get("key")
    if not key:
        message = (
            "Bucket POST must contain a field named 'key'.  If it is specified, please check the order of the fields."
        )
        raise AwsError("InvalidArgument", message, fields={"ArgumentName": "key", "ArgumentValue": ""})
    caller, limits = ANONYMOUS, None
    if "policy" in fields:
        caller = _signer(context, fields)
        substituted, original = {**fields, "bucket": bucket}, {**upload.fields, "bucket": bucket}
        limits = check_policy(fields["policy"], substituted, original, context.now())
    elif any(name in fields for name in _SIGNATURE_FIELDS):
        raise AwsError("InvalidArgument", "Bucket POST must contain a field named 'policy'.")
    path = f"/{quote(bucket)}/{quote(key)}"
    file = RequestBody(_check_size(upload.file, limits), None)
    file.is_incoming = file.is_form_upload = True
    return Form(
        request=replace(request, method="PUT", path=path, query="", headers={**_headers(fields), "host": request.host}),
        file=file,
        caller=caller,
        bucket=bucket,
        key=key,
        redirect=fields.get("success_action_redirect", fields.get("redirect")),
        status=fields.get("success_action_status", "204"),
        location=f"http://{request.host}{path}",
    )


def _substitute_filename(upload: FormUpload) -> dict[str, str]:
    """Replace ${filename} in the fields by the file's name; browsers may send its full path."""
    name = upload.filename.replace("\\", "/").rpartition("/")[2]
    return {field: value.replace("${filename}", name) for field, value in upload.fields.items()}


def _signer(context: Context, fields: Mapping[str, str]) -> Caller:
    """Return who signed the policy. Raises AwsError and SignatureError."""
    is_v2 = "awsaccesskeyid" in fields
    if is_v2 and any(name in fields for name in _V4_FIELDS):
        raise AwsError("InvalidRequest", "Only one auth mechanism allowed: Signature Version 4, or Version 2.")
    for name in _V2_FIELDS if is_v2 else _V4_FIELDS:
        if not fields.get(name):
            raise AwsError("InvalidArgument", f"Bucket POST must contain a field named '{name}'.")
    return _v2_signer(context, fields) if is_v2 else _v4_signer(context, fields)


def _v2_signer(context: Context, fields: Mapping[str, str]) -> Caller:
    credentials = _credentials(context, fields["awsaccesskeyid"], fields.get("x-amz-security-token"))
    signature_v2.check_signature(fields["policy"], credentials.secret_access_key, fields["signature"])
    return credentials.caller


def _v4_signer(context: Context, fields: Mapping[str, str]) -> Caller:
    if fields["x-amz-algorithm"] != ALGORITHM:
        raise AwsError("InvalidArgument", f"X-Amz-Algorithm only supports {ALGORITHM}.")
    parts = fields["x-amz-credential"].split("/")
    if len(parts) != 5 or parts[3:] != ["s3", "aws4_request"] or not fields["x-amz-date"].startswith(parts[1]):
        raise AwsError("InvalidArgument", "X-Amz-Credential must have the form KEY/YYYYMMDD/REGION/s3/aws4_request.")
    key_id, date, region, service, _ = parts
    credentials = _credentials(context, key_id, fields.get("x-amz-security-token"))
    key = signing_key(credentials.secret_access_key, date, region, service)
    expected = hmac.digest(key, fields["policy"].encode(), "sha256").hex()
    if not hmac.compare_digest(expected.encode(), fields["x-amz-signature"].encode()):
        raise SignatureError(
            SignatureFault.MISMATCH,
            "The signature of the form's policy does not match. Check your key and signing method.",
        )
    return credentials.caller


def _credentials(context: Context, key_id: str, token: str | None) -> Credentials:
    try:
        return credentials.find(context, key_id, token)
    except TokenExpiredError as error:
        raise SignatureError(SignatureFault.EXPIRED_TOKEN, "The provided token has expired.") from error
    except UnknownKeyError as error:
        raise SignatureError(
            SignatureFault.UNKNOWN_KEY if token is None else SignatureFault.BAD_TOKEN, str(error)
        ) from error


def _headers(fields: Mapping[str, str]) -> dict[str, str]:
    """Return the fields that are headers of PutObject."""
    headers = {}
    for name, value in fields.items():
        if name in _HEADERS:
            headers[_HEADERS[name]] = value
        elif name.startswith("x-amz-") and name not in _SIGNATURE_FIELDS:
            headers[name] = value
    if "tagging" in fields:
        headers["x-amz-tagging"] = _tagging(fields["tagging"])
    return headers


def _tagging(document: str) -> str:
    """Convert the tagging document of a form into the header of PutObject."""
    root = xml.loads(document.encode())
    sets = [element for element in root.children if element.name == "TagSet"]
    tags = [{child.name: child.text for child in tag.children} for element in sets for tag in element.children]
    if any(tag.keys() != {"Key", "Value"} for tag in tags):
        raise xml.MalformedXmlError("a Tag must have a Key and a Value.")
    return urlencode([(tag["Key"], tag["Value"]) for tag in tags])


def _check_size(file: Iterator[bytes], limits: SizeLimits | None) -> Iterator[bytes]:
    """Yield the file. Raises AwsError if it has more or fewer bytes than the policy allows."""
    size = 0
    for piece in file:
        size += len(piece)
        if limits is not None and size > limits.maximum:
            raise entity_too_large(size, limits.maximum)
        yield piece
    if limits is not None and size < limits.minimum:
        fields = {"ProposedSize": size, "MinSizeAllowed": limits.minimum}
        raise AwsError("EntityTooSmall", "Your proposed upload is smaller than the minimum allowed size", fields=fields)


def _redirect_url(form: Form, etag: str) -> str | None:
    """Return where to redirect the browser, or None if the form has no valid URL."""
    try:
        parts = urlsplit(form.redirect or "")
    except ValueError:
        return None
    if parts.scheme not in ("http", "https") or not parts.netloc:
        return None
    parameters = [
        *parse_qsl(parts.query, keep_blank_values=True),
        ("bucket", form.bucket),
        ("key", form.key),
        ("etag", etag),
    ]
    return urlunsplit(parts._replace(query=urlencode(parameters)))
