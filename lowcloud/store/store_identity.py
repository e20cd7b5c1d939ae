"""Whether a database, an encryption key and a folder of blobs belong together. Nothing is swept before that is sure."""

import os
import secrets
import tempfile
from pathlib import Path

from sqlalchemy import Connection, select

from lowcloud.store.blobs.encryption import KeyRing, TamperedError
from lowcloud.store.blobs.files import sync, sync_folder
from lowcloud.store.db.backend import UnusableStoreError
from lowcloud.store.db.database import Database
from lowcloud.store.db.tables import store_identity
from lowcloud.store.db.upsert import insert_missing

MARK = "store-id"
PURPOSE = "store identity"


def ensure(database: Database, keys: KeyRing, data: Path, account_id: str) -> None:
    """Mark what belongs together at its first use, and compare the marks ever after.

    `data` is the folder that holds `objects`. Raises UnusableStoreError where something belongs to something else.
    """
    store_id = database.apply(lambda connection: _identify(connection, keys, account_id))
    mark = data / MARK
    if mark.exists():
        if mark.read_text().strip() != store_id:
            raise UnusableStoreError(
                f"{data} belongs to another database. Name the database it was made with, or choose another home."
            )
        return
    if database.is_new and next(data.glob("objects/*/*"), None) is not None:
        raise UnusableStoreError(
            f"{data} holds objects, and the database is new and knows none of them. Name the database they were stored "
            "with, or restore it."
        )
    _write(mark, store_id)


def check_owner(connection: Connection, keys: KeyRing, account_id: str) -> None:
    """Compare a database's mark with the key and the account. Raises UnusableStoreError where they are others."""
    kept = connection.execute(select(store_identity).where(store_identity.c.id == 1)).one_or_none()
    if kept is None:  # nothing was ever kept in it
        return
    try:
        owner = keys.unseal(kept.seal, PURPOSE).decode()
    except TamperedError as error:
        raise UnusableStoreError(
            "The database was filled with another encryption key, so nothing in it could be read. Put back the "
            "keys/encryption.key that this database was made with, or name another database."
        ) from error
    if owner != account_id:
        raise UnusableStoreError(
            f"The database belongs to account {owner}, whose id stands in its roles and policies, and this would be "
            f"account {account_id}. Unset LOWCLOUD_ACCOUNT_ID, or choose another home."
        )


def _identify(connection: Connection, keys: KeyRing, account_id: str) -> str:
    """The store's id, made where it has none. Raises UnusableStoreError where the key or the account is another."""
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
