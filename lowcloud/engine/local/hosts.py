"""The names by which the replicas of a work reach each other: algo-1, algo-2, ..., each at a loopback of its own."""

import hashlib
import ipaddress
import os
import sys
from pathlib import Path

FIRST = int(ipaddress.IPv4Address("127.1.0.0"))  # systems use some below, such as 127.0.1.1
COUNT = int(ipaddress.IPv4Address("127.255.0.0")) - FIRST
MACHINE_HOSTS = Path("/etc/hosts")


def name(number: int) -> str:
    """The name of a replica; replica 0 is algo-1."""
    return f"algo-{number + 1}"


def addresses(root: Path, first_id: int, count: int) -> dict[str, str]:
    """By name, where `first_id` replicas came before these. No two works of an engine share one, nor likely of two.

    Where only one address is a loopback's (macOS), all have that.
    """
    if sys.platform != "linux":
        return {name(number): "127.0.0.1" for number in range(count)}
    start = int.from_bytes(hashlib.sha256(os.fsencode(root)).digest()[:4]) + first_id
    return {name(number): str(ipaddress.IPv4Address(FIRST + (start + number) % COUNT)) for number in range(count)}


def table(known: dict[str, str]) -> str:
    """The text of an /etc/hosts with these names first and then what the machine knows."""
    machine = MACHINE_HOSTS.read_text(errors="replace") if MACHINE_HOSTS.exists() else ""
    return "".join(f"{address}\t{host}\n" for host, address in known.items()) + machine
