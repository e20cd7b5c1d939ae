"""Settings of one cloud: where its home is, what it is called, which keys are its root's."""

import json
import os
import secrets
import tempfile
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path

DEFAULT_HOST = "127.0.0.1"
DEFAULT_PORT = 4900
DEFAULT_REGION = "us-east-1"
ACCOUNT_FILE = "keys/account.json"


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
    root_key: RootKey
    encryption_key: bytes  # 32 bytes
    host: str = DEFAULT_HOST
    port: int = DEFAULT_PORT

    @property
    def data(self) -> Path:
        """Database and blobs: the folder to back up."""
        return self.home / "data"

    @property
    def work(self) -> Path:
        """Folders of running work; nothing here outlives its job."""
        return self.home / "work"

    @property
    def database_url(self) -> str:
        return f"sqlite:///{self.data / 'lowcloud.db'}"


def home_folder(environment: Mapping[str, str], chosen: Path | None = None) -> Path:
    """The home: what the user chose, else $LOWCLOUD_HOME, else ~/.lowcloud."""
    home = chosen or environment.get("LOWCLOUD_HOME") or "~/.lowcloud"
    return Path(home).expanduser().absolute()


def load(home: Path, environment: Mapping[str, str], host: str = DEFAULT_HOST, port: int = DEFAULT_PORT) -> Settings:
    """Read a home's settings, making the home at its first use.

    LOWCLOUD_ACCOUNT_ID, LOWCLOUD_ROOT_ACCESS_KEY_ID and LOWCLOUD_ROOT_SECRET_ACCESS_KEY override what is kept there.
    Raises ValueError for an account id that is not twelve digits, half a root key, and a folder that is something else.
    """
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    found = {path.name for path in home.iterdir()} - {"lost+found"}
    if found and "keys" not in found:
        raise ValueError(f"{home} is no home of Lowcloud: it holds {min(found)!r}. Choose another with --home.")
    home.chmod(0o700)
    for folder in ("keys", "data", "work"):  # the first makes it a home
        (home / folder).mkdir(mode=0o700, exist_ok=True)
    _sync_folder(home)
    account = _account(home, environment)
    return Settings(
        home=home,
        account_id=account["account_id"],
        region=environment.get("LOWCLOUD_REGION", DEFAULT_REGION),
        root_key=RootKey(account["access_key_id"], account["secret_access_key"]),
        encryption_key=_encryption_key(home / "keys" / "encryption.key"),
        host=host,
        port=port,
    )


def remember(settings: Settings) -> None:
    """Keep the account and the root key in force, for commands in shells whose environment does not set them."""
    path = settings.home / ACCOUNT_FILE
    in_force = {"account_id": settings.account_id, **asdict(settings.root_key)}
    if json.loads(path.read_text()) != in_force:
        _draft(path, _encode(in_force)).rename(path)
        _sync_folder(path.parent)


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
