"""The built-in algorithms, one package each, found by name: linear-learner is the package linear_learner.

Each has train(run) and load(model_folder, *options), which returns a Predictor for its endpoint. An optional preload()
loads, without starting threads, what the warm parent should load in addition to modules.
"""

import importlib
from pathlib import Path
from types import ModuleType


def find(name: str) -> ModuleType:
    """Return the algorithm with this name. Raises ModuleNotFoundError."""
    return importlib.import_module(f"{__name__}.{name.replace('-', '_')}")


def preload() -> None:
    """Load every algorithm, so that it is already loaded in forks."""
    for path in sorted(Path(__file__).parent.iterdir()):
        if not path.name.startswith("_"):
            getattr(find(path.stem), "preload", lambda: None)()
