"""Which bucket the host name of an S3 request names, if any; a name that could mean either is refused, never guessed.

Path style has no sign of its own: at "data.example.com" the bucket may be "data" or stand in the path. So the names
that carry no bucket are known ones: localhost, AWS's, addresses, names without a dot, and this machine's own.
"""

import ipaddress
import re
import socket
from dataclasses import dataclass
from functools import lru_cache

from lowcloud.api.aws.errors import AwsError

_REGION = r"[a-z]{2,4}(?:-[a-z]+)+-\d+"
# docs.aws.amazon.com/general/latest/gr/s3.html; access points, accelerated and other endpoints mean something else.
_AWS = rf"s3(?:-fips|-external-1|-{_REGION})?(?:\.dualstack)?(?:\.{_REGION})?\.amazonaws\.com(?:\.cn)?"
_LOCAL = rf"(?:s3(?:[.-]{_REGION})?\.)?localhost"
_AWS_HOST = re.compile(rf"(?:(?P<bucket>.+)\.)?{_AWS}")  # the longest bucket: one can be called "logs.s3.daily"
_LOCAL_HOST = re.compile(rf"(?:(?P<bucket>.+?)\.)??{_LOCAL}")
_PORT = re.compile(r":\d*$")
_WELL_KNOWN = ("host.docker.internal",)  # this machine, seen from a container on it


@dataclass(frozen=True)
class OwnNames:
    """The names of this server: the one it listens at, where that is a name, and the machine's, in any domain."""

    names: tuple[str, ...]
    machine: str

    def bucket(self, host: str) -> str | None:
        """The bucket in a host name, "" where it is this server's name alone. None: neither."""
        for name in self.names:
            if host == name:
                return ""
            if host.endswith(f".{name}"):
                return host.removesuffix(f".{name}")
        return "" if host.partition(".")[0] == self.machine else None


def own_names(listening_at: str) -> OwnNames:
    """The names of a server that listens at this address or name."""
    machine = socket.gethostname().lower()
    short = machine.partition(".")[0]
    listening = () if _is_address(listening_at) else (listening_at.lower().rstrip("."),)
    return OwnNames((*listening, machine, f"{short}.local", *_WELL_KNOWN), short)


@lru_cache(maxsize=1024)
def bucket_of(host_header: str, own: OwnNames) -> str:
    """The bucket that the host names, or "" for path style. Raises AwsError for a host that could mean either."""
    host = _PORT.sub("", host_header.lower()).rstrip(".")
    known = _AWS_HOST.fullmatch(host) or _LOCAL_HOST.fullmatch(host)
    if known is not None:
        return known["bucket"] or ""
    if "." not in host or _is_address(host):
        return ""
    bucket = own.bucket(host)
    if bucket is None:
        raise AwsError(
            "InvalidRequest",
            f"It is not clear whether the host name {host!r} begins with a bucket. Use path-style addressing at an "
            "address or a name of this server, or start it with --host and this name.",
        )
    return bucket


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host.strip("[]"))
    except ValueError:
        return False
    return True
