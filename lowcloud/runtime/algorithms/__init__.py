"""The built-in algorithms, a module or package each, found by name: linear-learner is linear_learner.

Each has train(job), and load(model_folder, *options) for its endpoint; preload() where there is more than modules that
the warm parent should load for it, with no threads started.
"""

import importlib
from pathlib import Path
from types import ModuleType


def find(name: str) -> ModuleType:
    """The algorithm of this name. Raises ModuleNotFoundError."""
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")


def preload() -> None:
    """Load every algorithm, for forks to find it loaded."""
    for path in sorted(Path(__file__).parent.iterdir()):
        if not path.name.startswith("_"):
            getattr(find(path.stem), "preload", lambda: None)()
