"""Short paths of sockets are where no replica can replace them."""

import os
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from lowcloud.engine.local.engine import LocalEngine
from lowcloud.engine.local.sockets import MAX_FOLDER_BYTES, SHARED, ShortPaths
from lowcloud.engine.work import Replica, Resources, Work
from tests.support.engines import MakeEngine, ended, output

ATTACK = """
import os, socket
path = os.environ["LOWCLOUD_SOCKET"]
socket.socket(socket.AF_UNIX).bind(path)
link = os.path.dirname(path)
print(os.path.islink(link))
for attack in (lambda: os.unlink(link), lambda: os.symlink("/tmp", os.path.dirname(link) + "/planted")):
    try:
        attack()
    except OSError:
        print("kept")
    else:
        print("replaced")
"""


@pytest.fixture(autouse=True)
def personal(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A user's home where a replica cannot write, wherever these tests run."""
    for parent in (Path.home(), Path("/var/lib")):
        if not set(SHARED) & {parent, *parent.parents} and os.access(parent, os.W_OK):
            with tempfile.TemporaryDirectory(dir=parent) as folder:
                monkeypatch.setenv("HOME", folder)
                monkeypatch.delenv("XDG_RUNTIME_DIR", raising=False)
                yield Path(folder)
            return
    pytest.skip("there is no folder here that a replica could not write to")


@pytest.fixture
def long(tmp_path: Path) -> Path:
    return tmp_path.joinpath(*["long" * 5] * 4)


@pytest.fixture
def engine(make_engine: MakeEngine, tmp_path: Path, long: Path) -> LocalEngine:
    (tmp_path / "home").mkdir()
    return make_engine(root="home" / long.relative_to(tmp_path) / "work", home=tmp_path / "home", mode="landlock")


@pytest.mark.skipif(sys.platform != "linux", reason="Landlock is Linux's")
def test_a_replica_binds_its_socket_and_cannot_replace_the_link_to_it(engine: LocalEngine, tmp_path: Path) -> None:
    engine.start(Work("w", ("python", "-c", ATTACK), (Replica(),), Resources(1, 1 << 30)))
    ended(engine)
    assert output(engine) == ["True", "kept", "kept"]
    engine.remove("w")
    engine.close()
    assert not (tmp_path / "home" / "sockets").exists(), "nothing is left"


def test_a_short_path_needs_no_link(tmp_path: Path) -> None:
    assert ShortPaths(Path("/r"), tmp_path).of(Path("/r/short")) == Path("/r/short")


def test_links_are_in_the_users_home_if_the_servers_home_has_too_long_a_path(
    tmp_path: Path, long: Path, personal: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))  # below /tmp, where replicas write
    long.mkdir(parents=True)
    names = ShortPaths(long / "work", long)
    link = names.of(long / "work" / "socket")
    try:
        assert link.readlink() == long / "work" / "socket"
        assert len(str(link)) <= MAX_FOLDER_BYTES
        assert link.parent.parent == personal
        assert link.parent.stat().st_mode & 0o777 == 0o711
    finally:
        names.remove(long / "work" / "socket")
        names.close()
    assert not link.parent.exists()
