"""A database, its encryption key and its folder of blobs find out when one of them is another's."""

import pytest

from lowcloud.core import buckets, objects
from lowcloud.store import belonging
from lowcloud.store.backend import CannotUse
from lowcloud.store.database import Database
from lowcloud.store.encryption import KeyRing
from tests.conftest import ACCOUNT, make_cloud

KEYS, OTHERS = KeyRing(bytes(32)), KeyRing(b"x" * 32)


@pytest.fixture
def opened(database, tmp_path):
    made = Database(database or f"sqlite:///{tmp_path / 'lowcloud.db'}")
    yield made
    made.close()


def test_a_database_of_another_key_is_refused(opened, tmp_path):
    belonging.ensure(opened, KEYS, tmp_path, ACCOUNT)
    belonging.ensure(opened, KEYS, tmp_path, ACCOUNT)
    with pytest.raises(CannotUse, match="another encryption key"):
        belonging.ensure(opened, OTHERS, tmp_path, ACCOUNT)


def test_a_database_of_another_account_is_refused(opened, tmp_path):
    belonging.ensure(opened, KEYS, tmp_path, ACCOUNT)
    with pytest.raises(CannotUse, match=f"belongs to account {ACCOUNT}"):
        belonging.ensure(opened, KEYS, tmp_path, "111122223333")


def test_the_folder_of_another_database_is_refused_before_a_sweep_could_empty_it(database, tmp_path):
    home = tmp_path / "home"
    cloud = make_cloud(home, database)
    buckets.create(cloud, "shelf")
    objects.put(cloud, "shelf", "k", [b"x" * 300_000])
    cloud.database.close()
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(CannotUse, match="belongs to another database"):
        belonging.ensure(other, cloud.keys, home / "data", ACCOUNT)
    (home / "data" / "store-id").unlink()  # as of a Lowcloud that set no marks
    with pytest.raises(CannotUse, match="knows none of them"):
        belonging.ensure(other, cloud.keys, home / "data", ACCOUNT)
    other.close()
    again = make_cloud(home, database)
    assert b"".join(objects.get(again, "shelf", "k")[1]) == b"x" * 300_000
    assert (home / "data" / "store-id").exists()
    again.database.close()


def test_a_home_with_a_database_of_its_own_is_not_moved_to_another_by_an_option(tmp_path):
    make_cloud(tmp_path / "home").database.close()
    with pytest.raises(CannotUse, match="Choose another home"):
        make_cloud(tmp_path / "home", "postgresql://nowhere/cloud")
