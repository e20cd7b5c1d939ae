"""Names and addresses of replicas."""

import ipaddress
import sys
from pathlib import Path

import pytest

from lowcloud.engine.local import hosts

needs_linux = pytest.mark.skipif(sys.platform != "linux", reason="elsewhere there is one loopback address")


@needs_linux
def test_addresses_are_loopbacks_of_which_works_share_none() -> None:
    first = hosts.addresses(Path("/home/work"), 0, 3)
    second = hosts.addresses(Path("/home/work"), 3, 300)
    assert list(first) == ["algo-1", "algo-2", "algo-3"]
    found = [*first.values(), *second.values()]
    assert len(set(found)) == len(found) == 303
    assert all(ipaddress.ip_address(address).is_loopback for address in found)
    assert hosts.addresses(Path("/home/work"), 0, 3) == first, "a server that starts again gives the same"


@needs_linux
def test_addresses_stay_loopback_however_many_are_allocated() -> None:
    for first_id in (hosts.COUNT - 1, 5 * hosts.COUNT, 2**40):
        for address in hosts.addresses(Path("/r"), first_id, 2).values():
            assert ipaddress.ip_address("127.1.0.0") <= ipaddress.ip_address(address)
            assert ipaddress.ip_address(address) < ipaddress.ip_address("127.255.0.0")


def test_a_table_has_our_names_before_the_machines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(hosts, "MACHINE_HOSTS", tmp_path / "hosts")
    assert hosts.hosts_file({"algo-1": "127.1.2.3"}) == "127.1.2.3\talgo-1\n"
    (tmp_path / "hosts").write_text("127.0.0.1 localhost\n")
    assert hosts.hosts_file({"algo-1": "127.1.2.3"}) == "127.1.2.3\talgo-1\n127.0.0.1 localhost\n"
