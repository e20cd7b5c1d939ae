"""The folder of modules that scripts import in SageMaker's framework containers, and the finder that finds them last.

A finder at the end of sys.meta_path, rather than a folder on sys.path, so that whatever is installed is found before.
"""

import sys
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path

FOLDER = Path(__file__).resolve().parents[1] / "framework_modules"
PTH_FILE = "framework_modules.pth"
# Python runs the line inside a function: what the lambda needs are its arguments' defaults.
PTH_LINE = (
    "import sys; from _frozen_importlib_external import PathFinder; sys.meta_path.append(type('FrameworkModules', (), "
    "{{'find_spec': staticmethod(lambda name, path=None, target=None, find=PathFinder.find_spec: "
    "find(name, [{folder!r}]) if path is None else None)}}))\n"
)


class FrameworkModules:
    """Finds the packages of the folder in this process."""

    @staticmethod
    def find_spec(name: str, path: object = None, target: object = None) -> ModuleSpec | None:  # noqa: ARG004
        return PathFinder.find_spec(name, [str(FOLDER)]) if path is None else None


def add_to_process() -> None:
    """Let this process find the modules."""
    if FrameworkModules not in sys.meta_path:
        sys.meta_path.append(FrameworkModules)


def add_to_environment(folder: Path) -> None:
    """Let every program of a virtual environment find the modules."""
    for packages in folder.glob("lib/python3*/site-packages"):
        (packages / PTH_FILE).write_text(PTH_LINE.format(folder=str(FOLDER)))
