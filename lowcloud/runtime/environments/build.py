"""`python -m lowcloud.runtime.environments.build`: builds a Python environment from requirements.

The environment is built in $LOWCLOUD_ENVIRONMENT. The requirements lie where contract.REQUIREMENTS says; local paths in
them are below `code`. uv installs where it is present, else pip. What the interpreter beneath has already counts as
installed.
"""

import importlib.util
import os
import shutil
import sys
from collections.abc import Mapping
from itertools import takewhile
from pathlib import Path

from lowcloud import contract
from lowcloud.runtime import child_process
from lowcloud.runtime.child_process import ChildResult
from lowcloud.runtime.environments import overlay_venv
from lowcloud.runtime.errors import ClientError

ERROR_CHARACTERS = 800
UNREACHABLE = ("Retrying (", "NewConnectionError", "error sending request", "dns error", "Name or service not known")
DEFAULTS = {
    "PYTHONUNBUFFERED": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "UV_INDEX_STRATEGY": "unsafe-best-match",  # every index counts, as it does for pip
    "UV_LINK_MODE": "copy",  # the cache may be on another file system
}
TELLING = (
    "No matching distribution",
    "Invalid requirement",
    "Could not open requirements",
    "Failed to build",
    "metadata",
)


def main(argv: list[str]) -> int:
    """Build; the exit code, with output/failure naming the requirement at fault where it is not 0."""
    assert not argv, "the builder takes no arguments"
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    folder = Path(os.environ[contract.ENVIRONMENT_VARIABLE])
    try:
        build(base, folder)
    except ClientError as error:
        shutil.rmtree(folder / "lib", ignore_errors=True)  # nobody shall take what is there for a whole one
        print(error, file=sys.stderr, flush=True)
        child_process.write_failure(base, f"ClientError: {error}")
        return contract.EXIT_CLIENT_ERROR
    return 0


def build(base: Path, folder: Path) -> None:
    """Fill the folder. Raises ClientError naming what cannot be installed."""
    python = overlay_venv.lay(folder, sys.executable)
    assert python is not None, "the interpreter that runs this knows its own version"
    print("Building a Python environment from these requirements:", flush=True)
    print((base / contract.REQUIREMENTS).read_text(), flush=True)
    uv = shutil.which("uv")
    if uv is None or not _is_installed_by_uv(uv, python, base):
        _install_by_pip(python, base)
    print("The environment is ready.", flush=True)


def _install_by_pip(python: str, base: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        _run([python, "-m", "ensurepip"], base)
    words = [python, "-m", "pip", "install", "--no-input", "--progress-bar", "off", "--no-cache-dir"]
    _run([*words, "-r", str(base / contract.REQUIREMENTS), *_constraints(base)], base)


def _is_installed_by_uv(uv: str, python: str, base: Path) -> bool:
    """Whether uv could. It asks an index even for what is beneath, so where there is no index, pip may yet succeed."""
    try:
        _install_by_uv(uv, python, base)
    except ClientError:
        if importlib.util.find_spec("pip") is None:
            raise
        print("uv cannot install these requirements; trying pip.", flush=True)
        return False
    return True


def _install_by_uv(uv: str, python: str, base: Path) -> None:
    """uv sees only the layer, so it is told first what is beneath, and installs only what it then chose anew."""
    import importlib.metadata  # here, for it costs more than all else and script.py does without

    chosen = Path(os.environ.get("TMPDIR", "/tmp")) / "chosen.txt"
    beneath = {f"{one.name}=={one.version}".lower() for one in importlib.metadata.distributions()}
    chosen.write_text("\n".join(sorted(beneath)) + "\n")  # versions in the output file are preferred to newer ones
    compiling = [
        uv,
        "pip",
        "compile",
        "--quiet",
        "--python",
        python,
        "--no-annotate",
        "--no-header",
        *_constraints(base),
    ]
    _run([*compiling, str(base / contract.REQUIREMENTS), "--output-file", str(chosen)], base)
    lines = [line for line in chosen.read_text().splitlines() if line.split(" ;")[0].lower() not in beneath]
    chosen.write_text("\n".join(lines) + "\n")
    if any(line.strip() for line in lines):
        installing = [uv, "pip", "install", "--python", python, "--no-deps", "--compile-bytecode", "-r", str(chosen)]
        _run(installing, base)


def _constraints(base: Path) -> list[str]:
    path = base / contract.CONSTRAINTS
    return ["--constraint", str(path)] if path.exists() else []


def install(command: list[str], environment: Mapping[str, str], folder: Path) -> None:
    """Run an installer in a folder. Raises ClientError with its own words where it fails."""
    ended = child_process.run(command, {**DEFAULTS, **environment}, folder)
    if ended.exit_code:
        raise ClientError(f"The requirements cannot be installed: {_error(ended)}")


def _run(command: list[str], base: Path) -> None:
    code = (base / contract.CODE, base / contract.MODEL / contract.CODE)  # of a job, or beside a model
    install(command, os.environ, next((one for one in code if one.is_dir()), base))


def _error(ended: ChildResult) -> str:
    """The installer's own words for what went wrong, if it came to any."""
    if signalled := child_process.describe_signal(ended.exit_code):
        return f"The installer was killed by {signalled}."
    lines = [line.strip() for line in ended.tail.splitlines()]
    begins = [number for number, line in enumerate(lines) if line.lower().startswith(("error:", "×"))]
    telling = [number for number in begins if any(word in lines[number] for word in TELLING)]
    if telling:
        said = lines[telling[-1]].partition(":")[2].strip()
    else:
        last = takewhile(bool, lines[begins[-1] :]) if begins else filter(None, lines[-child_process.LAST_LINES :])
        said = " ".join(last).removeprefix("error:").strip()
    away = " The package index cannot be reached." if any(sign in ended.tail for sign in UNREACHABLE) else ""
    return said[:ERROR_CHARACTERS] + away


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
