"""Save and load trained models: save_model(model, path) and load_model(path), on disk or in a bucket.

    from cloud_storage_service import load_model, save_model

    save_model(LinearRegression().fit(X, y), "models/linear_regression_model.pkl")
    model = load_model("models/linear_regression_model.pkl")

A scikit-learn model is stored in skops' format (a zip of arrays and class names), a Lowcloud model as the tar.gz of a
training job. Loading these runs no code from the file. Other files, such as pickles, are loaded only with `trust=True`.
The format is recognised by a file's content, not by its name.
"""

import io
import tarfile
import tempfile
import warnings
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from cloud_storage_service.locations import read, write

__all__ = ["NotTrustedError", "load_model", "save_model"]

ZIP_MAGIC = b"PK\x03\x04"
GZIP_MAGIC = b"\x1f\x8b"


class NotTrustedError(Exception):
    """Loading this file could run code from it, and the caller has not set `trust`."""


def __getattr__(name: str) -> object:
    if name == "NotTrusted":  # its name in version 0.1
        warnings.warn("NotTrusted is now NotTrustedError", DeprecationWarning, stacklevel=2)
        return NotTrustedError
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")


def save_model(model: Any, path: str | Path) -> None:
    """Save a scikit-learn or Lowcloud model at a path or at "s3://bucket/key", atomically.

    Missing folders are created. Raises TypeError for a model of another library, and OSError if it cannot be written.
    """
    write(str(path), _encode(model))


def load_model(path: str | Path, trust: bool = False) -> Any:
    """Load the model at a path or at "s3://bucket/key".

    With `trust`, pickles and types that skops does not know are loaded too. That can run code from the file, so use it
    only for files that you created. Raises NotTrustedError, FileNotFoundError, and ValueError if there is no model.
    """
    content = read(str(path))
    if content.startswith(ZIP_MAGIC):
        return _load_sklearn(content, str(path), trust)
    if content.startswith(GZIP_MAGIC):
        return _load_lowcloud(content, str(path))
    if not trust:
        raise NotTrustedError(
            f"{path} is neither a model saved by save_model nor one of a Lowcloud training job. If it is a pickle, "
            "loading it can run any code in it. If you created it yourself, use load_model(path, trust=True)."
        )
    return _load_pickle(content, str(path))


def _encode(model: Any) -> bytes:
    if type(model).__module__.startswith("lowcloud."):
        return _encode_lowcloud(model)
    if not hasattr(model, "get_params"):  # which every scikit-learn estimator has
        raise TypeError(f"A {type(model).__name__} is neither a scikit-learn estimator nor a Lowcloud model.")
    encoded: bytes = _skops().dumps(model)
    return encoded


def _load_sklearn(content: bytes, path: str, trust: bool) -> Any:
    skops = _skops()
    try:
        unknown = skops.get_untrusted_types(data=content)
    except (KeyError, ValueError, BadZipFile) as error:
        raise ValueError(f"{path} contains no model: it is a zip, but not one that save_model has written.") from error
    if unknown and not trust:
        raise NotTrustedError(
            f"{path} contains types that cannot be verified: {', '.join(unknown)}. If you created the file yourself, "
            "use load_model(path, trust=True)."
        )
    return skops.loads(content, trusted=unknown)


def _skops() -> Any:
    try:
        import skops.io
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError("scikit-learn models need an extra: pip install 'lowcloud[sklearn]'") from error
    return skops.io


def _encode_lowcloud(model: Any) -> bytes:
    from lowcloud.runtime.algorithms.linear_learner.model import save

    packed = io.BytesIO()
    with tempfile.TemporaryDirectory() as folder, tarfile.open(fileobj=packed, mode="w:gz") as archive:
        save(model, Path(folder))
        for file in sorted(Path(folder).iterdir()):
            archive.add(file, file.name)
    return packed.getvalue()


def _load_lowcloud(content: bytes, path: str) -> Any:
    from lowcloud.runtime.algorithms.linear_learner.model import HEADER, WEIGHTS, UnreadableLinearModelError, load

    with tempfile.TemporaryDirectory() as folder:
        try:
            with tarfile.open(fileobj=io.BytesIO(content)) as archive:
                for name in (HEADER, WEIGHTS):  # by name, so that no other member is unpacked
                    member = archive.extractfile(name)
                    if member is None:
                        raise KeyError(name)
                    (Path(folder) / name).write_bytes(member.read())
            return load(Path(folder))
        except (tarfile.TarError, OSError, EOFError, KeyError, UnreadableLinearModelError) as error:
            raise ValueError(f"{path} contains no readable model: {error}") from error


def _load_pickle(content: bytes, path: str) -> Any:
    import pickle

    try:
        return pickle.loads(content)
    except (pickle.UnpicklingError, EOFError, ImportError, AttributeError, IndexError, ValueError) as error:
        raise ValueError(f"{path} contains no readable model: {error}") from error
