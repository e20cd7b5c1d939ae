"""The identity that a database, its encryption key and its folder of blobs share.

It is checked before anything is deleted: blobs without a row in the wrong database would all look like orphans.
"""

import os
import secrets
import tempfile
from pathlib import Path

from sqlalchemy import Connection, select

from lowcloud.store.blobs.encryption import KeyRing, TamperedError
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.database import Database
from lowcloud.store.db.tables.schema import store_identity
from lowcloud.store.db.upsert import insert_missing
from lowcloud.store.durability import sync, sync_folder

MARK = "store-id"
PURPOSE = "store identity"


def ensure(database: Database, keys: KeyRing, data: Path, account_id: str) -> None:
    """Write the store's identity at first use, and check it at every later start.

    `data` is the folder that contains `objects`. Raises UnusableStoreError if database, key and folder do not match.
    """
    store_id = database.apply(lambda connection: _identify(connection, keys, account_id))
    mark = data / MARK
    if mark.exists():
        if mark.read_text().strip() != store_id:
            raise UnusableStoreError(
                f"{data} belongs to another database. Use the database it was created with, or choose another home."
            )
        return
    if database.is_new and next(data.glob("objects/*/*"), None) is not None:
        raise UnusableStoreError(
            f"{data} contains objects, but the database is new and lists none of them. Use the database that "
            "they were stored with, or restore it."
        )
    _write(mark, store_id)


def check_owner(connection: Connection, keys: KeyRing, account_id: str) -> None:
    """Check that a database belongs to the key and the account. Raises UnusableStoreError if it does not."""
    stored = connection.execute(select(store_identity).where(store_identity.c.id == 1)).one_or_none()
    if stored is None:  # nothing was ever stored in it
        return
    try:
        owner = keys.unseal(stored.seal, PURPOSE).decode()
    except TamperedError as error:
        raise UnusableStoreError(
            "The database was created with another encryption key, so its content cannot be decrypted. Restore the "
            "keys/encryption.key of this database, or use another database."
        ) from error
    if owner != account_id:
        raise UnusableStoreError(
            f"The database belongs to account {owner}, whose id its roles and policies contain, but this is "
            f"account {account_id}. Unset LOWCLOUD_ACCOUNT_ID, or choose another home."
        )


def _identify(connection: Connection, keys: KeyRing, account_id: str) -> str:
    """Return the store's id, which is created if missing. Raises UnusableStoreError for another key or account."""
    fresh = secrets.token_hex(16)
    row = {"id": 1, "store_id": fresh, "seal": keys.seal(account_id.encode(), PURPOSE)}
    insert_missing(connection, store_identity, row)
    check_owner(connection, keys, account_id)
    return str(connection.execute(select(store_identity.c.store_id).where(store_identity.c.id == 1)).scalar_one())


def _write(path: Path, text: str) -> None:
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "w") as file:
        file.write(text)
        file.flush()
        sync(descriptor)
    Path(draft).rename(path)
    sync_folder(path.parent)
