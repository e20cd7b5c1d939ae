"""The host names of the replicas of a work: algo-1, algo-2, ..., each with its own loopback address."""

import hashlib
import ipaddress
import os
import sys
from pathlib import Path

FIRST = int(ipaddress.IPv4Address("127.1.0.0"))  # systems use some lower addresses, such as 127.0.1.1
COUNT = int(ipaddress.IPv4Address("127.255.0.0")) - FIRST
MACHINE_HOSTS = Path("/etc/hosts")


def name(number: int) -> str:
    """Return the host name of a replica; replica 0 is algo-1."""
    return f"algo-{number + 1}"


def addresses(root: Path, first_id: int, count: int) -> dict[str, str]:
    """Return the addresses of a work's replicas by name; `first_id` counts the replicas of the engine before them.

    They are unique within an engine and unlikely to repeat between engines. On macOS, where there is only one loopback
    address, all replicas have that one.
    """
    if sys.platform != "linux":
        return {name(number): "127.0.0.1" for number in range(count)}
    start = int.from_bytes(hashlib.sha256(os.fsencode(root)).digest()[:4]) + first_id
    return {name(number): str(ipaddress.IPv4Address(FIRST + (start + number) % COUNT)) for number in range(count)}


def hosts_file(known: dict[str, str]) -> str:
    """Return the text of an /etc/hosts file with these names first, followed by the machine's own file."""
    machine = MACHINE_HOSTS.read_text(errors="replace") if MACHINE_HOSTS.exists() else ""
    return "".join(f"{address}\t{host}\n" for host, address in known.items()) + machine
