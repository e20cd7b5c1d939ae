"""The settings of one cloud: its home folder, account, keys, address and database."""

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from lowcloud.home import failed_starts

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4900
DEFAULT_REGION = "us-east-1"
EXECUTION_ROLE = "LowcloudExecutionRole"
ACCOUNT_FILE = "keys/account.json"
ENCRYPTION_KEY_FILE = "keys/encryption.key"
STORE_FILE = "store.json"
KEY_BYTES = 32
ADDRESS_FILE = "address.json"
DATABASE_SCHEMES = ("postgresql", "postgres", "postgresql+psycopg")


class NoHomeError(ValueError):
    """A path cannot be a home."""


@dataclass(frozen=True)
class RootKey:
    """The access key of the account's owner."""

    access_key_id: str
    secret_access_key: str


@dataclass(frozen=True)
class Settings:
    """The settings that a server is started with. They do not change while it runs."""

    home: Path
    account_id: str
    region: str
    root_key: RootKey = field(repr=False)
    encryption_key: bytes = field(repr=False)  # 32 bytes
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT
    day_seconds: float = 86400  # length of a day in lifecycle rules; tests shorten it
    environment_days: float = 30  # unused Python environments are deleted after this time
    audit_days: float = 90  # records of the audit log are removed after this time
    audits_data: bool = False  # whether the audit log also has each access to data
    is_new: bool = False  # this load created the home
    isolation: str | None = None  # the isolation level that the operator chooses at this start; None: as before
    store: Path | None = None  # the home whose store this server shares; None: its own
    database: str | None = field(default=None, repr=False)  # the URL with its password; None: an SQLite file

    @property
    def store_home(self) -> Path:
        """The home that contains the keys, the data and the running work."""
        return self.store or self.home

    @property
    def data(self) -> Path:
        """The folder of blobs and of the SQLite database: the folder to back up."""
        return self.store_home / "data"

    @property
    def work(self) -> Path:
        """The folder of running work. Nothing in it outlives its job."""
        return self.store_home / "work"

    @property
    def database_file(self) -> Path:
        """The SQLite database, if the store uses one."""
        return self.data / "lowcloud.db"

    @property
    def access_generation(self) -> Path:
        """The file that tells all processes of the store that keys or policies have changed (store/generation.py)."""
        return self.data / "access-generation"

    @property
    def database_url(self) -> str:
        return self.database or f"sqlite:///{self.database_file}"


def home_folder(environment: Mapping[str, str], chosen: Path | None = None) -> Path:
    """Return the home folder: the one chosen, otherwise $LOWCLOUD_HOME, otherwise ~/.lowcloud.

    Raises NoHomeError if that is a file, or below one.
    """
    home = Path(chosen or environment.get("LOWCLOUD_HOME") or "~/.lowcloud").expanduser().absolute()
    for path in (home, *home.parents):
        if path.exists() and not path.is_dir():
            raise NoHomeError(f"{path} is a file, but a home is a folder. Choose a folder with --home.")
    return home


def work_folder(home: Path) -> Path:
    """Return the folder of running work of a home, whose keys are not needed for this."""
    return Path(_read_json(home / STORE_FILE).get("store") or home) / "work"


def load(
    home: Path,
    environment: Mapping[str, str],
    host: str = DEFAULT_HOST,
    port: int | None = None,
    database: str | None = None,
    store: Path | None = None,
    isolation: str | None = None,
) -> Settings:
    """Read the settings of a home, which is created at its first use; the port is by default that of the last server.

    LOWCLOUD_ACCOUNT_ID, LOWCLOUD_ROOT_ACCESS_KEY_ID, LOWCLOUD_ROOT_SECRET_ACCESS_KEY and LOWCLOUD_DATABASE override
    what is saved there. `database` is the URL of a PostgreSQL database; `store` is another home, whose keys, data and
    database this one shares.

    Raises ValueError for an account id that is not twelve digits, a root key without its secret, a URL that is not
    PostgreSQL's, and a folder that is not a home.
    """
    try:
        is_new = _make_home(home)
    except OSError as error:
        raise NoHomeError(f"{home} cannot be used as a home: {error.strerror}. Choose a folder with --home.") from error
    try:
        settings = _read(home, environment, host, port, database, store)
    except (ValueError, OSError):  # OSError: such as a full disk
        if is_new:
            failed_starts.undo(home)
        raise
    return replace(settings, is_new=is_new, isolation=isolation)


def read(home: Path, environment: Mapping[str, str]) -> Settings:
    """Read the settings of a home without writing to it. Raises ValueError for a folder without keys, and OSError."""
    saved = _read_json(home / STORE_FILE)
    keys_home = Path(saved.get("store", home))
    for path in (keys_home / ACCOUNT_FILE, keys_home / ENCRYPTION_KEY_FILE):
        if not path.exists():
            raise ValueError(f"{home} is not a complete Lowcloud home: {path} is missing.")
    return _read(home, environment, DEFAULT_HOST, None, None, None)


def _read(
    home: Path, environment: Mapping[str, str], host: str, port: int | None, database: str | None, store: Path | None
) -> Settings:
    saved = _read_json(home / STORE_FILE)
    store = store or (Path(saved["store"]) if saved.get("store") else None)
    if store is not None:
        store = _other_home(store, home)
        saved = _read_json(store / STORE_FILE)
    keys_home = store or home
    account = _account(keys_home, environment)
    database = database or environment.get("LOWCLOUD_DATABASE") or saved.get("database")
    if database is not None:
        _check_address(database)
    return Settings(
        home=home,
        account_id=account["account_id"],
        region=environment.get("LOWCLOUD_REGION", DEFAULT_REGION),
        day_seconds=_day_seconds(environment),
        environment_days=_days(environment, "LOWCLOUD_ENVIRONMENT_DAYS", "30"),
        audit_days=_days(environment, "LOWCLOUD_AUDIT_DAYS", "90"),
        audits_data=_switch(environment, "LOWCLOUD_AUDIT_DATA"),
        root_key=RootKey(account["access_key_id"], account["secret_access_key"]),
        encryption_key=_encryption_key(keys_home / ENCRYPTION_KEY_FILE),
        host=host,
        port=_read_json(home / ADDRESS_FILE).get("port", DEFAULT_PORT) if port is None else port,
        store=store,
        database=database,
    )


def _day_seconds(environment: Mapping[str, str]) -> float:
    seconds = _number(environment, "LOWCLOUD_DAY_SECONDS", "86400")
    if not 0 < seconds <= 86400:
        raise ValueError(f"LOWCLOUD_DAY_SECONDS must be positive and 86400 at most, not {seconds}.")
    return seconds


def _days(environment: Mapping[str, str], name: str, default: str) -> float:
    days = _number(environment, name, default)
    if not days > 0:
        raise ValueError(f"{name} must be positive, not {days}.")
    return days


def _switch(environment: Mapping[str, str], name: str) -> bool:
    text = environment.get(name, "0")
    if text not in ("0", "1"):
        raise ValueError(f"{name} must be 0 or 1, not {text!r}.")
    return text == "1"


def _number(environment: Mapping[str, str], name: str, default: str) -> float:
    text = environment.get(name, default)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"{name} must be a number, not {text!r}.") from None


def save_account(settings: Settings) -> None:
    """Save the account and root key in use, for commands in shells whose environment does not set them."""
    path = settings.store_home / ACCOUNT_FILE
    account = {"account_id": settings.account_id, **asdict(settings.root_key)}
    saved = _read_json(path)
    if {name: saved.get(name) for name in account} != account:
        _replace(path, _encode(account))


def rotate_root_key(settings: Settings) -> RootKey:
    """Replace the saved root key by a new one, and return it. Running servers take only it from then on."""
    made = _new_account()
    key = RootKey(made["access_key_id"], made["secret_access_key"])
    account = {"account_id": settings.account_id, **asdict(key), "rotated": True}
    _replace(settings.store_home / ACCOUNT_FILE, _encode(account))
    return key


def current_root_key(settings: Settings) -> RootKey:
    """Return the root key: the one that the server was started with, unless it was rotated since. Raises OSError."""
    saved = _read_json(settings.store_home / ACCOUNT_FILE)
    if not saved.get("rotated"):
        return settings.root_key
    return RootKey(saved["access_key_id"], saved["secret_access_key"])


def save_port(settings: Settings, port: int) -> None:
    """Save the port of a server that has started, for the next one on this home."""
    path = settings.home / ADDRESS_FILE
    if _read_json(path).get("port") != port:
        _replace(path, _encode({"port": port}))


def save_store(settings: Settings) -> None:
    """Save which store the home serves, so that a later start does not create a different one."""
    if settings.database is not None:
        if settings.store is not None:
            _save_store_file(settings.home, {"store": str(settings.store)})
        _save_store_file(settings.store_home, {"database": without_password(settings.database)})


def without_password(address: str) -> str:
    """Return a database URL in the form in which it may be shown and saved."""
    parts = urlsplit(address)
    user, separator, host = parts.netloc.rpartition("@")
    query = urlencode([(name, value) for name, value in parse_qsl(parts.query) if name != "password"], safe="/")
    shown = f"{parts.scheme}://{user.partition(':')[0]}{separator}{host}{parts.path}"
    return f"{shown}?{query}" if query else shown


def _make_home(home: Path) -> bool:
    """Create a home, or complete it; return whether there was nothing. Raises ValueError for another folder."""
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = {path.name for path in home.iterdir()} - {"lost+found"}
    if found and "keys" not in found:
        raise ValueError(
            f"{home} is not a Lowcloud home: it contains {min(found)!r}. Choose another folder with --home."
        )
    if home.stat().st_mode & 0o777 != 0o711:  # so that replicas pass through it, at the isolation level "user-only"
        home.chmod(0o700)
    for folder in ("keys", "data", "work"):  # "keys" first: it marks the folder as a home
        (home / folder).mkdir(mode=0o700, exist_ok=True)
    _sync_folder(home)
    return not found


def _other_home(store: Path, home: Path) -> Path:
    """Return the home whose store this one is to share. Raises ValueError."""
    store = store.expanduser().absolute()
    if store == home:
        raise ValueError(f"{store} is this home itself: choose another one with --store.")
    if not (store / "keys" / "encryption.key").exists():
        raise ValueError(f"{store} is not a Lowcloud home: it has no keys. Start a server there first.")
    return store


def _check_address(database: str) -> None:
    """Raise ValueError, without repeating the URL: it may contain a password."""
    if urlsplit(database).scheme not in DATABASE_SCHEMES:
        raise ValueError("The database URL is not PostgreSQL's; write postgresql://USER@HOST/NAME.")


def _save_store_file(home: Path, content: Mapping[str, str]) -> None:
    if _read_json(home / STORE_FILE) != content:
        _replace(home / STORE_FILE, _encode(content))


def _read_json(path: Path) -> dict[str, Any]:
    try:
        text = path.read_text()
    except FileNotFoundError:
        return {}
    return _parse(path, text)


def _parse(path: Path, text: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(text)
    except ValueError:
        raise ValueError(f"{path} is damaged: it is not JSON. Restore it from a backup.") from None
    return found


def _account(home: Path, environment: Mapping[str, str]) -> dict[str, str]:
    path = home / ACCOUNT_FILE
    if not path.exists():
        _create(path, _encode(_new_account()))
    account: dict[str, str] = _parse(path, path.read_text())
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
    """Return 32 random bytes, created with a new home. Existing data is never given a new key: it could not be read.

    Raises ValueError where the key of existing data is missing.
    """
    if not path.exists():
        if (path.parent.parent / "data" / "lowcloud.db").exists():
            raise ValueError(
                f"{path} is missing, and the data of this home cannot be read without it. Restore the file."
            )
        _create(path, secrets.token_bytes(KEY_BYTES))
    key = path.read_bytes()
    if len(key) != KEY_BYTES:
        raise ValueError(
            f"{path} is damaged: it has {len(key)} bytes instead of {KEY_BYTES}. Restore it from a backup."
        )
    return key


def _encode(content: Mapping[str, Any]) -> bytes:
    return json.dumps(content, indent=2).encode()


def _replace(path: Path, content: bytes) -> None:
    """Replace a file atomically and durably."""
    _draft(path, content).rename(path)
    _sync_folder(path.parent)


def _create(path: Path, content: bytes) -> None:
    """Create a file durably, readable by its owner alone. A file that another process created first is kept."""
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
