"""Keep trained models: save_model(model, path) and load_model(path), on disk or in a bucket.

    from cloud_storage_service import load_model, save_model

    save_model(LinearRegression().fit(X, y), "models/linear_regression_model.pkl")
    model = load_model("models/linear_regression_model.pkl")

A scikit-learn model is stored in skops' format (a zip of arrays and names of classes), a Lowcloud model as the tar.gz
that a training job leaves. Loading either runs nothing that the file brings. Whatever else a file may be, a pickle
above all, is opened only where the caller says `trust=True`. A file's content tells its format, its name does not.
"""

import io
import tarfile
import tempfile
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

from cloud_storage_service.places import read, write

__all__ = ["NotTrusted", "load_model", "save_model"]

ZIP_MAGIC = b"PK\x03\x04"
GZIP_MAGIC = b"\x1f\x8b"


class NotTrusted(Exception):
    """Loading this file could run code that it brings, and the caller has not said that the file is trusted."""


def save_model(model: Any, path: str | Path) -> None:
    """Store a scikit-learn or Lowcloud model at a path or at "s3://bucket/key", whole or not at all.

    Folders that a path needs are made. Raises TypeError for a model of another kind, and OSError where it cannot be
    written.
    """
    write(str(path), _encode(model))


def load_model(path: str | Path, trust: bool = False) -> Any:
    """The model stored at a path or at "s3://bucket/key".

    With `trust`, types that skops does not know and pickles are loaded too: that can run code, so only say it of files
    you made. Raises NotTrusted, FileNotFoundError, and ValueError for a file that holds no model.
    """
    content = read(str(path))
    if content.startswith(ZIP_MAGIC):
        return _load_sklearn(content, str(path), trust)
    if content.startswith(GZIP_MAGIC):
        return _load_lowcloud(content, str(path))
    if not trust:
        raise NotTrusted(
            f"{path} is neither a model saved by save_model nor one of a Lowcloud training job. If it is a pickle, "
            "loading it can run any code it holds; if you made it yourself, say load_model(path, trust=True)."
        )
    return _load_pickle(content, str(path))


def _encode(model: Any) -> bytes:
    if type(model).__module__.startswith("lowcloud."):
        return _encode_lowcloud(model)
    if not hasattr(model, "get_params"):  # what makes an estimator in scikit-learn's sense
        raise TypeError(f"A {type(model).__name__} is neither a scikit-learn estimator nor a Lowcloud model.")
    encoded: bytes = _skops().dumps(model)
    return encoded


def _load_sklearn(content: bytes, path: str, trust: bool) -> Any:
    skops = _skops()
    try:
        unknown = skops.get_untrusted_types(data=content)
    except (KeyError, ValueError, BadZipFile) as error:
        raise ValueError(f"{path} holds no model: it is a zip, but not one of save_model.") from error
    if unknown and not trust:
        raise NotTrusted(
            f"{path} holds types whose content cannot be checked: {', '.join(unknown)}. If you made the file yourself, "
            "say load_model(path, trust=True)."
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
                for name in (HEADER, WEIGHTS):  # by name, so nothing else in the archive is ever unpacked
                    member = archive.extractfile(name)
                    if member is None:
                        raise KeyError(name)
                    (Path(folder) / name).write_bytes(member.read())
            return load(Path(folder))
        except (tarfile.TarError, OSError, EOFError, KeyError, UnreadableLinearModelError) as error:
            raise ValueError(f"{path} holds no readable model: {error}") from error


def _load_pickle(content: bytes, path: str) -> Any:
    import pickle

    try:
        return pickle.loads(content)
    except (pickle.UnpicklingError, EOFError, ImportError, AttributeError, IndexError, ValueError) as error:
        raise ValueError(f"{path} holds no readable model: {error}") from error
