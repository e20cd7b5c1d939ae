"""Headers that stand in the query of a presigned URL, where some clients put all of S3's own.

What S3 reads in a header it reads there too, for who signs the URL cannot send headers. A header that is really sent
comes first: it is signed as well.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import unquote

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.aws.http import HttpRequest

# Of the signature itself, or of how a body that does not come from the signer is sent.
_OF_SIGNATURES = (
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
)
# The SDK for JavaScript presigns a PUT with the checksum of the body it has then, of none; S3 passes over it.
_LEFT_OUT = (*_OF_SIGNATURES, "x-amz-checksum-", "x-amz-sdk-checksum-")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def with_hoisted(request: HttpRequest, also: Collection[str] = (), but: tuple[str, ...] = _LEFT_OUT) -> HttpRequest:
    """The request with the x-amz-* parameters of its query, and those `also` named, as headers, `but` some beginnings.

    Raises AwsError for what cannot be a header. A plus sign means itself, as it does to the signatures.
    """
    found: dict[str, str] = {}
    for part in request.query.split("&"):
        raw_name, _, raw_value = part.partition("=")
        name, value = unquote(raw_name).lower(), unquote(raw_value)
        if name in request.headers or name.startswith(but) or not (name.startswith("x-amz-") or name in also):
            continue
        if _CONTROL.search(name + value):
            raise AwsError("InvalidArgument", f"The parameter {name[:64]!r} has a character that no header can have.")
        found[name] = f"{found[name]},{value}" if name in found else value
    return replace(request, headers={**request.headers, **found}) if found else request
