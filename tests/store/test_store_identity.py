"""The store's identity: a database, an encryption key or a folder of another store is refused."""

import pytest

from lowcloud.core.storage.buckets import buckets
from lowcloud.core.storage.objects import objects
from lowcloud.store import store_identity
from lowcloud.store.blobs.encryption import KeyRing
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.database import Database
from tests.support.servers.endpoint import ACCOUNT
from tests.support.servers.gateways import make_context

KEYS, OTHERS = KeyRing(bytes(32)), KeyRing(b"x" * 32)


@pytest.fixture
def opened(database, tmp_path):
    made = Database(database or f"sqlite:///{tmp_path / 'lowcloud.db'}")
    yield made
    made.close()


def test_a_database_of_another_key_is_refused(opened, tmp_path):
    store_identity.ensure(opened, KEYS, tmp_path, ACCOUNT)
    store_identity.ensure(opened, KEYS, tmp_path, ACCOUNT)
    with pytest.raises(UnusableStoreError, match="another encryption key"):
        store_identity.ensure(opened, OTHERS, tmp_path, ACCOUNT)


def test_a_database_of_another_account_is_refused(opened, tmp_path):
    store_identity.ensure(opened, KEYS, tmp_path, ACCOUNT)
    with pytest.raises(UnusableStoreError, match=f"belongs to account {ACCOUNT}"):
        store_identity.ensure(opened, KEYS, tmp_path, "111122223333")


def test_the_folder_of_another_database_is_refused_before_a_sweep_could_empty_it(database, tmp_path):
    home = tmp_path / "home"
    context = make_context(home, database)
    buckets.create(context, "shelf")
    objects.put(context, "shelf", "k", [b"x" * 300_000])
    context.database.close()
    other = Database(f"sqlite:///{tmp_path / 'other.db'}")
    with pytest.raises(UnusableStoreError, match="belongs to another database"):
        store_identity.ensure(other, context.keys, home / "data", ACCOUNT)
    (home / "data" / "store-id").unlink()  # as by a Lowcloud that wrote no store id
    with pytest.raises(UnusableStoreError, match="lists none of them"):
        store_identity.ensure(other, context.keys, home / "data", ACCOUNT)
    other.close()
    again = make_context(home, database)
    assert b"".join(objects.get(again, "shelf", "k")[1]) == b"x" * 300_000
    assert (home / "data" / "store-id").exists()
    again.database.close()


def test_a_home_with_a_database_of_its_own_is_not_moved_to_another_by_an_option(tmp_path):
    make_context(tmp_path / "home").database.close()
    with pytest.raises(UnusableStoreError, match="Choose another home"):
        make_context(tmp_path / "home", "postgresql://nowhere/cloud")
