"""The bucket that an S3 request addresses, in the host name (virtual-host style) or in the path (path style).

Nothing marks path style: at "data.example.com" the bucket may be "data" or the first segment of the path. So host
names without a bucket are known ones: localhost, AWS's, IP addresses, names without a dot, and this server's own names.
A host name that could mean either is refused.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import lru_cache

from lowcloud.api.aws.errors import AwsError
from lowcloud.api.http.messages import HttpRequest
from lowcloud.api.http.urls import decode

_REGION = r"[a-z]{2,4}(?:-[a-z]+)+-\d+"
# docs.aws.amazon.com/general/latest/gr/s3.html; access points, accelerated and other endpoints mean something else.
_AWS = rf"s3(?:-fips|-external-1|-{_REGION})?(?:\.dualstack)?(?:\.{_REGION})?\.amazonaws\.com(?:\.cn)?"
_LOCAL = rf"(?:s3(?:[.-]{_REGION})?\.)?localhost"
_AWS_HOST = re.compile(rf"(?:(?P<bucket>.+)\.)?{_AWS}")  # greedy: a bucket can be called "logs.s3.daily"
_LOCAL_HOST = re.compile(rf"(?:(?P<bucket>.+?)\.)??{_LOCAL}")
_PORT = re.compile(r":\d*$")
_WELL_KNOWN = ("host.docker.internal",)  # this machine, seen from a container on it


@dataclass(frozen=True)
class ServerNames:
    """The host names of this server: the one it listens on, if it is a name, and the machine's, in any domain."""

    names: tuple[str, ...]
    machine: str

    @classmethod
    def of(cls, listening_at: str) -> "ServerNames":
        """Return the names of a server that listens on this address or name."""
        machine = socket.gethostname().lower()
        short = machine.partition(".")[0]
        listening = () if _is_address(listening_at) else (listening_at.lower().rstrip("."),)
        return cls((*listening, machine, f"{short}.local", *_WELL_KNOWN), short)

    def bucket(self, host: str) -> str | None:
        """Return the bucket in a host name, "" for this server's name alone, None if the host is neither."""
        for name in self.names:
            if host == name:
                return ""
            if host.endswith(f".{name}"):
                return host.removesuffix(f".{name}")
        return "" if host.partition(".")[0] == self.machine else None


@lru_cache(maxsize=1024)
def bucket_of(host_header: str, server: ServerNames) -> str:
    """Return the bucket in the host name, or "" for path style. Raises AwsError for an ambiguous host."""
    host = _PORT.sub("", host_header.lower()).rstrip(".")
    known = _AWS_HOST.fullmatch(host) or _LOCAL_HOST.fullmatch(host)
    if known is not None:
        return known["bucket"] or ""
    if "." not in host or _is_address(host):
        return ""
    bucket = server.bucket(host)
    if bucket is None:
        raise AwsError(
            "InvalidRequest",
            f"It is not clear whether the host name {host!r} begins with a bucket. Use path-style addressing at an "
            "address or a name of this server, or start it with --host and this name.",
        )
    return bucket


def is_of_s3(host: str, server: ServerNames) -> bool:
    """Return whether a host name is one of Amazon S3's or this server's, with or without a bucket."""
    if _AWS_HOST.fullmatch(host) or _LOCAL_HOST.fullmatch(host) or server.bucket(host) is not None:
        return True
    return _is_address(host) and ipaddress.ip_address(host).is_loopback


def locate(request: HttpRequest, server: ServerNames) -> tuple[str, str]:
    """Return the bucket and the key of a request, "" for what it does not name. Raises AwsError, MalformedUrlError."""
    bucket = bucket_of(request.host, server)
    path = request.path.removeprefix("/")
    if not bucket:
        bucket, _, path = path.partition("/")
    return decode(bucket), decode(path)


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
