"""Package indexes: the settings for pip and uv that the user of the server has made."""

import configparser
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

# How an installer reaches its index. Settings of where it installs to, or what it leaves out, are not passed on.
INSTALLER_SETTINGS = (
    *("INDEX_URL", "EXTRA_INDEX_URL", "FIND_LINKS", "NO_INDEX", "TRUSTED_HOST", "CERT", "CLIENT_CERT", "PROXY"),
    *("TIMEOUT", "DEFAULT_TIMEOUT", "RETRIES", "PRE", "PREFER_BINARY", "ONLY_BINARY", "NO_BINARY"),
)
CONNECTION_SETTINGS = (
    *("HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY", "NO_PROXY"),
    *("SSL_CERT_FILE", "SSL_CERT_DIR", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"),
)
UV_PREFIXES = ("UV_INDEX", "UV_DEFAULT_INDEX", "UV_EXTRA_INDEX", "UV_FIND_LINKS", "UV_INSECURE_HOST", "UV_NATIVE_TLS")
UV_NAMES = ("UV_NO_INDEX", "UV_HTTP_TIMEOUT", "UV_SYSTEM_CERTS", "UV_KEYRING_PROVIDER")
SAME_IN_UV = {
    "PIP_INDEX_URL": "UV_DEFAULT_INDEX",
    "PIP_EXTRA_INDEX_URL": "UV_INDEX",
    "PIP_FIND_LINKS": "UV_FIND_LINKS",
    "PIP_NO_INDEX": "UV_NO_INDEX",
    "PIP_TRUSTED_HOST": "UV_INSECURE_HOST",
}


def index_settings(given: Mapping[str, str] | None = None) -> dict[str, str]:
    """Return settings of package indexes as variables, from pip's configuration files and from `given` (os.environ).

    A program sees neither these files nor the environment of the server.
    """
    given = os.environ if given is None else given
    found = {f"PIP_{name}": value for name, value in _pip_files(given) if name in INSTALLER_SETTINGS}
    for name, value in given.items():
        is_pip = name.startswith("PIP_") and name.removeprefix("PIP_") in INSTALLER_SETTINGS
        if is_pip or name in UV_NAMES or name.startswith(UV_PREFIXES) or name.upper() in CONNECTION_SETTINGS:
            found[name] = value
    for pip, uv in SAME_IN_UV.items():
        if pip in found and not any(name.startswith(uv) for name in given):
            found[uv] = found[pip]
    return found


def pip_configuration(given: Mapping[str, str] | None = None) -> str:
    """Return the settings of pip as a configuration file, for programs that install packages; "" if there are none.

    A file rather than variables, since programs often print their environment, and an index URL may hold a password.
    """
    settings = {name: value for name, value in index_settings(given).items() if name.startswith("PIP_")}
    lines = [f"{name.removeprefix('PIP_').lower().replace('_', '-')} = {value}" for name, value in settings.items()]
    return "\n".join(["[global]", *lines, ""]) if lines else ""


def _pip_files(given: Mapping[str, str]) -> Iterator[tuple[str, str]]:
    """Yield the name and value of each setting in pip's configuration files; later ones override earlier ones."""
    for path in _pip_paths(given):
        parser = configparser.RawConfigParser()
        try:
            parser.read_string(path.read_text())
        except (OSError, configparser.Error, UnicodeDecodeError):
            continue  # absent, unreadable or broken: pip itself reports it better than a job could
        for section in ("global", "install"):
            if parser.has_section(section):
                for name, value in parser.items(section):
                    yield name.upper().replace("-", "_"), " ".join(value.split())


def _pip_paths(given: Mapping[str, str]) -> list[Path]:
    """Return where pip looks for configuration: https://pip.pypa.io/en/stable/topics/configuration/."""
    named = given.get("PIP_CONFIG_FILE")
    if named == os.devnull:
        return []
    home = Path(given.get("HOME", "~")).expanduser()
    if sys.platform == "darwin":
        system, own = [Path("/Library/Application Support/pip")], home / "Library/Application Support/pip"
    else:
        folders = given.get("XDG_CONFIG_DIRS", "/etc/xdg").split(":")
        system = [*(Path(folder) / "pip" for folder in folders), Path("/etc")]
        own = Path(given.get("XDG_CONFIG_HOME", home / ".config")) / "pip"
    folders_in_order = [*system, home / ".pip", own, Path(sys.prefix)]
    return [*(folder / "pip.conf" for folder in folders_in_order), *([Path(named)] if named else [])]
