"""A cloud without a server: real SQLite, real folders, no engine."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import pytest

from lowcloud import settings
from lowcloud.core.cloud import Cloud
from lowcloud.store.database import Database
from lowcloud.store.encryption import KeyRing
from lowcloud.store.files import Files


@pytest.fixture
def cloud(tmp_path: Path) -> Iterator[Cloud]:
    chosen = settings.load(tmp_path / "home", {})
    database = Database(chosen.database_url)
    keys = KeyRing(chosen.encryption_key)
    yield Cloud(chosen, database, keys, Files(chosen.data / "objects", keys), cast(Any, None))
    database.close()
