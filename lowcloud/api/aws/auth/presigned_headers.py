"""x-amz-* headers in the query of a presigned URL, where some clients put them.

S3 accepts there whatever it accepts as a header, since the client that signs the URL does not send the request.
A header that is sent takes precedence: it is signed as well.
"""

import re
from collections.abc import Collection
from dataclasses import replace
from urllib.parse import unquote

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.http.messages import HttpRequest

# Parameters of the signature itself, or of the body, which the signer does not send.
_SIGNATURE_PARAMETERS = (
    "x-amz-algorithm",
    "x-amz-content-sha256",
    "x-amz-credential",
    "x-amz-date",
    "x-amz-expires",
    "x-amz-security-token",
    "x-amz-signature",
    "x-amz-signedheaders",
)
# The SDK for JavaScript presigns a PUT with the checksum of an empty body; S3 ignores it.
_EXCLUDED = (*_SIGNATURE_PARAMETERS, "x-amz-checksum-", "x-amz-sdk-checksum-")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


def with_presigned_headers(
    request: HttpRequest, include: Collection[str] = (), excluded_prefixes: tuple[str, ...] = _EXCLUDED
) -> HttpRequest:
    """Return the request with the x-amz-* parameters of its query, and those in `include`, as headers.

    Raises AwsError for a value that cannot be a header. A plus sign is literal, as in the signature.
    """
    found: dict[str, str] = {}
    for part in request.query.split("&"):
        raw_name, _, raw_value = part.partition("=")
        name, value = unquote(raw_name).lower(), unquote(raw_value)
        if (
            name in request.headers
            or name.startswith(excluded_prefixes)
            or not (name.startswith("x-amz-") or name in include)
        ):
            continue
        if _CONTROL.search(name + value):
            raise AwsError(
                "InvalidArgument", f"The parameter {name[:64]!r} contains a character that is not allowed in a header."
            )
        found[name] = f"{found[name]},{value}" if name in found else value
    return replace(request, headers={**request.headers, **found}) if found else request
