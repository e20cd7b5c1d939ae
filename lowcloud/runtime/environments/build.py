"""`python -m lowcloud.runtime.environments.build`: builds a Python environment from requirements.

The environment is built in $LOWCLOUD_ENVIRONMENT from the file contract.REQUIREMENTS, in which local paths are relative
to `code`. It is an overlay: packages of the base interpreter count as installed. uv installs if it is present,
otherwise pip.
"""

import importlib.util
import os
import re
import shutil
import subprocess
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
DEFAULT_VARIABLES = {
    "PYTHONUNBUFFERED": "1",
    "PIP_ROOT_USER_ACTION": "ignore",
    "PIP_DISABLE_PIP_VERSION_CHECK": "1",
    "UV_INDEX_STRATEGY": "unsafe-best-match",  # consider all indexes, as pip does
    "UV_LINK_MODE": "copy",  # the cache may be on another file system
}
TORCHVISION_REMEDY = "Give the server an index with builds of both, by PIP_EXTRA_INDEX_URL; see docs/training.md."
TORCHVISION = re.compile(r"(?:^|/)torchvision(?:-[0-9]|[^\w.-]|$)", re.IGNORECASE)  # a name, a folder or a wheel
SPECIFIC_ERRORS = (
    "No matching distribution",
    "Invalid requirement",
    "Could not open requirements",
    "Failed to build",
    "metadata",
)


def main(argv: list[str]) -> int:
    """Build the environment and return the exit code; on failure, output/failure names the requirement."""
    assert not argv, "the builder takes no arguments"
    base = Path(os.environ.get(contract.BASE_DIR_VARIABLE, contract.DEFAULT_BASE_DIR))
    folder = Path(os.environ[contract.ENVIRONMENT_VARIABLE])
    try:
        build(base, folder)
    except ClientError as error:
        shutil.rmtree(folder / "lib", ignore_errors=True)  # an incomplete environment must not be usable
        print(error, file=sys.stderr, flush=True)
        child_process.write_failure(base, f"ClientError: {error}")
        return contract.EXIT_CLIENT_ERROR
    return 0


def build(base: Path, folder: Path) -> None:
    """Build the environment in a folder. Raises ClientError naming what cannot be installed."""
    python = overlay_venv.create(folder, sys.executable)
    assert python is not None, "the version of the running interpreter is known"
    print("Building a Python environment from these requirements:", flush=True)
    print((base / contract.REQUIREMENTS).read_text(), flush=True)
    uv = shutil.which("uv")
    if uv is None or not _try_uv(uv, python, base):
        _install_with_pip(python, base)
    _remove_unusable_torchvision(python, folder, (base / contract.REQUIREMENTS).read_text())
    print("The environment is ready.", flush=True)


def _remove_unusable_torchvision(python: str, folder: Path, requirements: str) -> None:
    """Remove a torchvision that does not fit its PyTorch, since transformers and others use it where they find it.

    An index may have PyTorch's build for CPUs, and torchvision's only for CUDA. pip takes one for the other.
    Raises ClientError if it was required, rather than added to PyTorch or to another package.
    """
    installed = [path for path in folder.glob("lib/python3*/site-packages/torchvision*") if path.is_dir()]
    if not installed:
        return
    imported = subprocess.run([python, "-c", "import torchvision"], capture_output=True, text=True, check=False)
    if imported.returncode == 0:
        return
    reason = imported.stderr.strip().rpartition("\n")[2]
    if any(TORCHVISION.search(line) and contract.OPTIONAL not in line for line in requirements.splitlines()):
        raise ClientError(
            f"The required torchvision does not fit the installed PyTorch ({reason}). Require versions that fit each "
            f"other. {TORCHVISION_REMEDY}"
        )
    for path in installed:
        shutil.rmtree(path)
    print(f"torchvision does not fit the installed PyTorch ({reason}), and is left out.", flush=True)
    print(TORCHVISION_REMEDY, flush=True)


def _install_with_pip(python: str, base: Path) -> None:
    if importlib.util.find_spec("pip") is None:
        _run([python, "-m", "ensurepip"], base)
    command = [python, "-m", "pip", "install", "--no-input", "--progress-bar", "off", "--no-cache-dir"]
    _run([*command, "-r", str(base / contract.REQUIREMENTS), *_constraints(base)], base)


def _try_uv(uv: str, python: str, base: Path) -> bool:
    """Install with uv; return False if pip may succeed instead, since uv needs an index even for base packages."""
    try:
        _install_with_uv(uv, python, base)
    except ClientError:
        if importlib.util.find_spec("pip") is None:
            raise
        print("uv cannot install these requirements; trying pip.", flush=True)
        return False
    return True


def _install_with_uv(uv: str, python: str, base: Path) -> None:
    """Let uv, which sees only the overlay, resolve with a preference for the base's versions; install what differs."""
    import importlib.metadata  # slow to import, and script.py does not need it

    resolved = Path(os.environ.get("TMPDIR", "/tmp")) / "resolved.txt"
    base_packages = {f"{one.name}=={one.version}".lower() for one in importlib.metadata.distributions()}
    resolved.write_text("\n".join(sorted(base_packages)) + "\n")  # versions in the output file are preferred
    compile_command = [
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
    _run([*compile_command, str(base / contract.REQUIREMENTS), "--output-file", str(resolved)], base)
    lines = [line for line in resolved.read_text().splitlines() if line.split(" ;")[0].lower() not in base_packages]
    resolved.write_text("\n".join(lines) + "\n")
    if any(line.strip() for line in lines):
        install_command = [
            uv,
            "pip",
            "install",
            "--python",
            python,
            "--no-deps",
            "--compile-bytecode",
            "-r",
            str(resolved),
        ]
        _run(install_command, base)


def _constraints(base: Path) -> list[str]:
    path = base / contract.CONSTRAINTS
    return ["--constraint", str(path)] if path.exists() else []


def install(command: list[str], environment: Mapping[str, str], folder: Path) -> None:
    """Run an installer in a folder. Raises ClientError with the installer's message."""
    result = child_process.run(command, {**DEFAULT_VARIABLES, **environment}, folder)
    if result.exit_code:
        raise ClientError(f"The requirements cannot be installed: {_extract_error(result)}")


def _run(command: list[str], base: Path) -> None:
    code = (base / contract.CODE, base / contract.MODEL / contract.CODE)  # of a job, or next to a model
    install(command, os.environ, next((one for one in code if one.is_dir()), base))


def _extract_error(result: ChildResult) -> str:
    """Return the error message in the installer's output, or its last lines."""
    if signal_name := child_process.describe_signal(result.exit_code):
        return f"The installer was killed by {signal_name}."
    lines = [line.strip() for line in result.tail.splitlines()]
    starts = [number for number, line in enumerate(lines) if line.lower().startswith(("error:", "×"))]
    specific = [number for number in starts if any(text in lines[number] for text in SPECIFIC_ERRORS)]
    if specific:
        message = lines[specific[-1]].partition(":")[2].strip()
    else:
        last = takewhile(bool, lines[starts[-1] :]) if starts else filter(None, lines[-child_process.LAST_LINES :])
        message = " ".join(last).removeprefix("error:").strip()
    note = " The package index cannot be reached." if any(text in result.tail for text in UNREACHABLE) else ""
    return message[:ERROR_CHARACTERS] + note


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
