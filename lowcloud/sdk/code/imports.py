"""The user's own modules that a job needs: those next to a script that it imports, or a function's by value."""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from lowcloud.sdk.errors import InvalidInputError

NOT_OWN = {"__main__", "__mp_main__", "lowcloud"}  # cloudpickle always sends the first two by value
INSTALLED = {"site-packages", "dist-packages"}


def find_script_files(script: Path) -> dict[str, Path]:
    """Return a script and the modules of its folder that it imports, directly or indirectly, by their relative paths.

    Raises InvalidInputError if a file is not valid Python.
    """
    folder = script.parent
    found: dict[str, Path] = {}
    queue = [script]
    while queue:
        path = queue.pop()
        name = str(path.relative_to(folder))
        if name in found:
            continue
        found[name] = path
        if path.suffix == ".py":
            queue += [file for module in _imported(path) for file in _files(folder, module)]
    return found


def defines_any(source: str, names: set[str]) -> bool:
    """Return whether a module defines any of these functions at its top level."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in names for node in body)


def pickle_function(function: Any) -> bytes:
    """Pickle a function together with what it uses from modules that are not installed. Raises InvalidInputError."""
    import cloudpickle

    try:
        with _by_value():
            content: bytes = cloudpickle.dumps(function)
    except Exception as error:  # noqa: BLE001 - objects refuse to be pickled with any exception
        raise InvalidInputError(
            f"The function cannot be sent: {error}. It must not hold open files, locks or connections; open them in it."
        ) from None
    return content


def _imported(path: Path) -> set[str]:
    """Return the top-level names that a module imports."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise InvalidInputError(f"{path} is not valid Python: line {error.lineno}: {error.msg}.") from None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _files(folder: Path, module: str) -> Iterator[Path]:
    """Yield the files of a module or a package in the folder."""
    if (file := folder / f"{module}.py").is_file():
        yield file
    elif (folder / module / "__init__.py").is_file():
        yield from (path for path in (folder / module).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@contextmanager
def _by_value() -> Iterator[None]:
    """Let cloudpickle send by value all modules that are not installed, since a job would not find them."""
    import cloudpickle

    registered = cloudpickle.list_registry_pickle_by_value()
    with ExitStack() as stack:
        for module in _own_modules():
            if module.__name__ not in registered:
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
        yield


def _own_modules() -> list[ModuleType]:
    """Return the loaded modules that are the user's own files, neither part of Python nor installed packages."""
    library = Path(sysconfig.get_paths()["stdlib"]).resolve()
    found = []
    for name, module in list(sys.modules.items()):
        file = vars(module).get("__file__") if type(module) is ModuleType else None
        if not file or name != module.__name__ or name.partition(".")[0] in NOT_OWN:
            continue
        path = Path(file).resolve()
        if not (path.is_relative_to(library) or INSTALLED.intersection(path.parts)):
            found.append(module)
    return found
