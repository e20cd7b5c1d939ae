"""What a user's code takes with it: the modules beside a script that it imports, or those of a function by value."""

import ast
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from lowcloud.sdk.errors import InvalidInputError

NOT_OWN = {"__main__", "__mp_main__", "lowcloud"}  # the first two go along by value anyway
INSTALLED = {"site-packages", "dist-packages"}


def of_script(script: Path) -> dict[str, Path]:
    """The script and the modules in its folder that it imports, and what they import there, by their paths there.

    Raises InvalidInputError for a script that is no Python.
    """
    folder = script.parent
    found: dict[str, Path] = {}
    waiting = [script]
    while waiting:
        path = waiting.pop()
        name = str(path.relative_to(folder))
        if name in found:
            continue
        found[name] = path
        if path.suffix == ".py":
            waiting += [file for module in _imported(path) for file in _files(folder, module)]
    return found


def defines(source: str, names: set[str]) -> bool:
    """Whether a module defines any of these functions at its top."""
    try:
        body = ast.parse(source).body
    except SyntaxError:
        return False
    return any(isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and node.name in names for node in body)


def pickled(function: Any) -> bytes:
    """The function with all that it needs of modules which are not installed. Raises InvalidInputError."""
    import cloudpickle

    try:
        with _by_value():
            content: bytes = cloudpickle.dumps(function)
    except Exception as error:  # noqa: BLE001 - whatever it holds may refuse to be pickled, each in its own way
        raise InvalidInputError(
            f"The function cannot be sent: {error}. It must not hold open files, locks or connections; open them in it."
        ) from None
    return content


def _imported(path: Path) -> set[str]:
    """The first names of what a module imports."""
    try:
        tree = ast.parse(path.read_bytes(), str(path))
    except SyntaxError as error:
        raise InvalidInputError(f"{path} is no Python that can run: line {error.lineno}: {error.msg}.") from None
    names: set[str] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names.add(node.module.partition(".")[0])
    return names


def _files(folder: Path, module: str) -> Iterator[Path]:
    """The files of a module or a package in the folder."""
    if (file := folder / f"{module}.py").is_file():
        yield file
    elif (folder / module / "__init__.py").is_file():
        yield from (path for path in (folder / module).rglob("*") if path.is_file() and "__pycache__" not in path.parts)


@contextmanager
def _by_value() -> Iterator[None]:
    """Let cloudpickle take along every module that a job would not find: those which are not installed."""
    import cloudpickle

    registered = cloudpickle.list_registry_pickle_by_value()
    with ExitStack() as stack:
        for module in _own_modules():
            if module.__name__ not in registered:
                cloudpickle.register_pickle_by_value(module)
                stack.callback(cloudpickle.unregister_pickle_by_value, module)
        yield


def _own_modules() -> list[ModuleType]:
    """The loaded modules that are files of the user's, rather than installed with Python or into it."""
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
