"""The command for the root key: `lowcloud keys rotate`."""

import os

import typer

from lowcloud.cli.terminal.connection import load_settings
from lowcloud.cli.terminal.output import Home, Yes, confirm, fail, of_home, say
from lowcloud.cli.terminal.parser import Command, Group
from lowcloud.home import settings as home_settings
from lowcloud.store.generation import Generation

app = typer.Typer(cls=Group, no_args_is_help=True, help="Replace the root key of this cloud.")
KEY_VARIABLE = "LOWCLOUD_ROOT_ACCESS_KEY_ID"


@app.callback()
def keys() -> None:
    """Replace the root key of this cloud."""


@app.command(cls=Command)
def rotate(yes: Yes = False, home: Home = None) -> None:
    """Replace the root key by a new one. The former one, and sessions requested with it, end at once."""
    if KEY_VARIABLE in os.environ:
        raise fail(f"The root key is given by ${KEY_VARIABLE}. Change it there, and start the server again.")
    if not (home_settings.home_folder(os.environ, home) / "keys").is_dir():
        raise fail(f"{home_settings.home_folder(os.environ, home)} is not a Lowcloud home.")
    settings = load_settings(home)
    former = settings.root_key.access_key_id
    confirm(f"Replace the root key {former}? Shells and programs that use it must be given the new one.", yes)
    try:
        key = home_settings.rotate_root_key(settings)
        Generation(settings.access_generation).advance()  # servers that run look at the file again
    except OSError as error:
        raise fail(f"The key could not be replaced: {error}. {former} stays valid.") from error
    say(f"The root key is {key.access_key_id}; {former} is not valid any more.")
    say(f"Shells get it with: {of_home('lowcloud env', home)}")
