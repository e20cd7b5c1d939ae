"""Settings of one cloud: where its home is, what it is called, which keys are its root's."""

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4900
DEFAULT_REGION = "us-east-1"
EXECUTION_ROLE = "LowcloudExecutionRole"
ACCOUNT_FILE = "keys/account.json"
STORE_FILE = "store.json"
DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


@dataclass(frozen=True)
class RootKey:
    """The access key of the account's owner."""

    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True)
class Settings:
    """What the server is started with. Nothing here changes while it runs."""

    home: Path
    account_id: str
    region: str
    root_key: RootKey = field(repr=False)
    encryption_key: bytes = field(repr=False)  # 32 bytes
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    day_seconds: float = 86400  # how long a day of a lifecycle lasts: shorter in tests
    environment_days: float = 30  # for so long an unused Python environment is kept
    store: Path | None = None  # the home whose store this server serves, where it is not its own
    database: str | None = field(default=None, repr=False)  # its address, password and all; None: a file

    @property
    def store_home(self) -> Path:
        """The home that keys, data and running work lie in."""
        return self.store or self.home

    @property
    def data(self) -> Path:
        """Blobs, and the database where it is a file: the folder to back up."""
        return self.store_home / "data"

    @property
    def work(self) -> Path:
        """Folders of running work; nothing here outlives its job."""
        return self.store_home / "work"

    @property
    def database_file(self) -> Path:
        """The database, where it is a file."""
        return self.data / "lowcloud.db"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.database_file}"


def home_folder(environment: Mapping[str, str], chosen: Path | None = None) -> Path:
    """The home: what the user chose, else $LOWCLOUD_HOME, else ~/.lowcloud."""
    home = chosen or environment.get("LOWCLOUD_HOME") or "~/.lowcloud"
    return Path(home).expanduser().absolute()


def load(
    home: Path,
    environment: Mapping[str, str],
    host: str = DEFAULT_HOST,
    port: int = DEFAULT_PORT,
    database: str | None = None,
    store: Path | None = None,
) -> Settings:
    """Read a home's settings, making the home at its first use.

    LOWCLOUD_ACCOUNT_ID, LOWCLOUD_ROOT_ACCESS_KEY_ID, LOWCLOUD_ROOT_SECRET_ACCESS_KEY and LOWCLOUD_DATABASE override
    what is kept there. `database` is the address of a PostgreSQL database; `store` is another home, whose keys, data
    and database this one serves too.
    Raises ValueError for an account id that is not twelve digits, half a root key, an address that is none, and a
    folder that is something else.
    """
    _make_home(home)
    kept = _read_json(home / STORE_FILE)
    store = store or (Path(kept["store"]) if kept.get("store") else None)
    if store is not None:
        store = _other_home(store, home)
        kept = _read_json(store / STORE_FILE)
    keys_home = store or home
    account = _account(keys_home, environment)
    database = database or environment.get("LOWCLOUD_DATABASE") or kept.get("database")
    if database is not None:
        _check_address(database)
    return Settings(
        home=home,
        account_id=account["account_id"],
        region=environment.get("LOWCLOUD_REGION", DEFAULT_REGION),
        day_seconds=_day_seconds(environment),
        environment_days=_environment_days(environment),
        root_key=RootKey(account["access_key_id"], account["secret_access_key"]),
        encryption_key=_encryption_key(keys_home / "keys" / "encryption.key"),
        host=host,
        port=port,
        store=store,
        database=database,
    )


def _day_seconds(environment: Mapping[str, str]) -> float:
    seconds = float(environment.get("LOWCLOUD_DAY_SECONDS", "86400"))  # raises ValueError
    if not 0 < seconds <= 86400:
        raise ValueError(f"LOWCLOUD_DAY_SECONDS must be positive and 86400 at most, not {seconds}.")
    return seconds


def _environment_days(environment: Mapping[str, str]) -> float:
    days = float(environment.get("LOWCLOUD_ENVIRONMENT_DAYS", "30"))  # raises ValueError
    if not days > 0:
        raise ValueError(f"LOWCLOUD_ENVIRONMENT_DAYS must be positive, not {days}.")
    return days


def remember(settings: Settings) -> None:
    """Keep the account and the root key in force, for commands in shells whose environment does not set them."""
    path = settings.store_home / ACCOUNT_FILE
    in_force = {"account_id": settings.account_id, **asdict(settings.root_key)}
    if _read_json(path) != in_force:
        _replace(path, _encode(in_force))


def remember_store(settings: Settings) -> None:
    """Keep which store the home has served, so that no later start makes another one instead."""
    if settings.database is not None:
        in_force = {"database": without_password(settings.database)}
        if settings.store is not None:
            _remember(settings.home, {"store": str(settings.store)})
        _remember(settings.store_home, in_force)


def without_password(address: str) -> str:
    """The address of a database as it may be shown and kept."""
    parts = urlsplit(address)
    user, has_user, place = parts.netloc.rpartition("@")
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "password"], safe="/")
    shown = f"{parts.scheme}://{user.partition(':')[0]}{has_user}{place}{parts.path}"
    return f"{shown}?{query}" if query else shown


def _make_home(home: Path) -> None:
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = {path.name for path in home.iterdir()} - {"lost+found"}
    if found and "keys" not in found:
        raise ValueError(f"{home} is no home of Lowcloud: it holds {min(found)!r}. Choose another with --home.")
    home.chmod(0o700)
    for folder in ("keys", "data", "work"):  # the first makes it a home
        (home / folder).mkdir(mode=0o700, exist_ok=True)
    _sync_folder(home)


def _other_home(store: Path, home: Path) -> Path:
    """The home whose store is to be served from another. Raises ValueError."""
    store = store.expanduser().absolute()
    if store == home:
        raise ValueError(f"{store} is this home itself: name another with --store.")
    if not (store / "keys" / "encryption.key").exists():
        raise ValueError(f"{store} is no home of Lowcloud: it has no keys. Start a server there first.")
    return store


def _check_address(database: str) -> None:
    """Raises ValueError. The address is not told: it may hold a password."""
    if urlsplit(database).scheme not in DATABASE_SCHEMES:
        raise ValueError("The address of the database is none of PostgreSQL's; write postgresql://USER@HOST/NAME.")


def _remember(home: Path, kept: Mapping[str, str]) -> None:
    if _read_json(home / STORE_FILE) != kept:
        _replace(home / STORE_FILE, _encode(kept))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(path.read_text())
    except FileNotFoundError:
        return {}
    return found


def _account(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    path = home / ACCOUNT_FILE
    if not path.exists():
        _create(path, _encode(_new_account()))
    account: dict[str, str] = json.loads(path.read_text())
    account_id = environment.get("LOWCLOUD_ACCOUNT_ID", account["account_id"])
    if len(account_id) != 12 or not account_id.isdecimal():
        raise ValueError(f"LOWCLOUD_ACCOUNT_ID must be twelve digits, not {account_id!r}.")
    key_id = environment.get("LOWCLOUD_ROOT_ACCESS_KEY_ID")
    secret = environment.get("LOWCLOUD_ROOT_SECRET_ACCESS_KEY")
    if bool(key_id) != bool(secret):
        raise ValueError("Set LOWCLOUD_ROOT_ACCESS_KEY_ID and LOWCLOUD_ROOT_SECRET_ACCESS_KEY together.")
    return {
        "account_id": account_id,
        "access_key_id": key_id or account["access_key_id"],
        "secret_access_key": secret or account["secret_access_key"],
    }


def _new_account() -> dict[str, str]:
    alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567"
    return {
        "account_id": str(secrets.randbelow(9 * 10**11) + 10**11),
        "access_key_id": "AKIA" + "".join(secrets.choice(alphabet) for _ in range(16)),
        "secret_access_key": secrets.token_urlsafe(30),
    }


def _encryption_key(path: Path) -> bytes:
    """32 random bytes. They are never made anew beside existing data: without them nothing could be read again."""
    if not path.exists():
        if (path.parent.parent / "data" / "lowcloud.db").exists():
            raise ValueError(f"{path} is missing; without it the data of this home cannot be read. Restore it.")
        _create(path, secrets.token_bytes(32))
    return path.read_bytes()


def _encode(account: Mapping[str, str]) -> bytes:
    return json.dumps(account, indent=2).encode()


def _replace(path: Path, content: bytes) -> None:
    """Write a file anew, durable and whole at every moment."""
    _draft(path, content).rename(path)
    _sync_folder(path.parent)


def _create(path: Path, content: bytes) -> None:
    """Make a file, durable and readable by its owner alone; where another process was quicker, its file stays."""
    draft = _draft(path, content)
    with suppress(FileExistsError):
        path.hardlink_to(draft)
    draft.unlink()
    _sync_folder(path.parent)


def _draft(path: Path, content: bytes) -> Path:
    descriptor, draft = tempfile.mkstemp(dir=path.parent)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    return Path(draft)


def _sync_folder(folder: Path) -> None:
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
