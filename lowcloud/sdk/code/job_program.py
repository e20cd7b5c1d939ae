"""Runs a user's function in a job and serves the model that it returns. Sent with the job as lowcloud_program.py.

It imports nothing of Lowcloud, because it runs in the job's own Python environment. Next to it are the function
(function.pkl) and how to call it (call.json). Unpickling is safe here: it is the user's own code in the user's own job.
"""

import importlib.util
import io
import json
import linecache
import os
import pickle
import sys
import traceback
from pathlib import Path
from types import CodeType, FunctionType
from typing import Any

HERE = Path(__file__).parent
DESCRIPTION = "lowcloud-model.json"
TRUSTED = ("sklearn.", "numpy.", "scipy.")  # modules whose classes are part of scikit-learn models
JSON, NPY = "application/json", "application/x-npy"


def main() -> None:
    """Train, and save the model."""
    call = json.loads((HERE / "call.json").read_text())
    if (running := list(sys.version_info[:2])) != call["python"]:
        sys.exit(
            f"The function was sent by Python {_dotted(call['python'])}, but the job runs Python {_dotted(running)}. "
            "Use the same version for both, or give train() a script."
        )
    if importlib.util.find_spec("cloudpickle") is None:
        sys.exit(
            "The job's Python environment lacks cloudpickle: install it where train() is called, or give it a script."
        )
    function = pickle.loads((HERE / "function.pkl").read_bytes())
    given = {name: _read(name, description) for name, description in call["channels"].items()}
    data = given["train"] if list(given) == ["train"] else given
    parameters = json.loads(os.environ["SM_HPS"])
    _name_file(function, call)
    try:
        model = function(data, parameters) if call["takes_parameters"] else function(data)
    except Exception as error:  # noqa: BLE001  # the user's own, printed without the frame of this file
        traceback.print_exception(error.with_traceback(error.__traceback__ and error.__traceback__.tb_next))
        sys.exit(1)
    if os.environ["SM_CURRENT_HOST"] == json.loads(os.environ["SM_HOSTS"])[0]:
        save(model, Path(os.environ["SM_MODEL_DIR"]), call)


def _name_file(function: Any, call: dict[str, Any]) -> None:
    """Restore the file name and the source of the function, which pickling loses, for tracebacks."""
    if not call.get("file"):
        return
    linecache.cache[call["file"]] = (0, None, call["source"].splitlines(keepends=True), call["file"])
    for one in (function, *getattr(function, "__globals__", {}).values()):
        if isinstance(one, FunctionType) and one.__module__ == function.__module__:
            one.__code__ = _in_file(one.__code__, call["file"])


def _in_file(code: CodeType, file: str) -> CodeType:
    constants = tuple(_in_file(one, file) if isinstance(one, CodeType) else one for one in code.co_consts)
    return code.replace(co_filename=file, co_consts=constants)


def save(model: Any, folder: Path, call: dict[str, Any]) -> None:
    """Save a model in the safest format that its library has, and record which one."""
    if not (callable(model) or hasattr(model, "predict")):
        sys.exit(
            f"The function returned a {type(model).__name__}. It must return the model: an object with a method "
            "predict(rows), or a function of rows."
        )
    first = next(iter(call["channels"].values()))
    described = {"form": _save(model, folder), "class": type(model).__name__, "kind": first["kind"]}
    (folder / DESCRIPTION).write_text(json.dumps(described))


def model_fn(folder: str) -> Any:
    """Load the model and its description."""
    description = json.loads((Path(folder) / DESCRIPTION).read_text())
    return LOADERS[description["form"]](Path(folder), description), description


def input_fn(body: str | bytes, content_type: str) -> Any:
    """Decode rows: an array, or a dict of columns."""
    if content_type == NPY:
        assert isinstance(body, bytes)
        return _load_array(io.BytesIO(body))
    return json.loads(body)


def predict_fn(rows: Any, loaded: Any) -> Any:
    """Return the model's predictions for the rows."""
    model, description = loaded
    rows = _table(rows, description["kind"]) if isinstance(rows, dict) else rows
    if description["form"] == "torch":
        return _predict_torch(model, rows)
    if description["form"] == "xgboost" and description["class"] == "Booster":
        import xgboost

        return model.predict(xgboost.DMatrix(rows))
    return model.predict(rows) if hasattr(model, "predict") else model(rows)


def output_fn(predictions: Any, accept: str) -> tuple[bytes, str]:
    """Encode predictions: as an array if they are numeric and the client accepts it, otherwise as JSON."""
    array = predictions.to_numpy() if hasattr(predictions, "to_numpy") else predictions
    if NPY in accept and hasattr(array, "dtype") and array.dtype.kind in "biuf":
        import numpy as np

        target = io.BytesIO()
        np.save(target, array, allow_pickle=False)
        return target.getvalue(), NPY
    return json.dumps(array, default=_plain).encode(), JSON


def _dotted(version: list[int]) -> str:
    return ".".join(map(str, version))


def _plain(value: Any) -> Any:
    if hasattr(value, "tolist"):
        return value.tolist()
    if hasattr(value, "isoformat"):
        return value.isoformat()
    raise TypeError(f"The model returned a {type(value).__name__}, which cannot be represented in JSON.")


def _read(channel: str, description: dict[str, Any]) -> Any:
    folder = Path(os.environ[f"SM_CHANNEL_{channel.upper()}"])
    if description["kind"] == "folder":
        return folder
    path = folder / description["file"]
    if description["kind"] == "file":
        return path
    if description["kind"] == "numpy":
        return _load_array(path)
    if importlib.util.find_spec("polars") is None:
        sys.exit("The job's Python has no polars, which reads its table: pip install 'lowcloud[data]' there.")
    import polars

    table = polars.read_parquet(path)
    return table if description["kind"] == "polars" else _to_pandas(table, description)


def _load_array(source: Any) -> Any:
    import numpy as np

    return np.load(source, allow_pickle=False)


def _to_pandas(table: Any, description: dict[str, Any]) -> Any:
    import pandas as pd

    series = [_to_series(table.to_series(at), one) for at, one in enumerate(description["columns"])]
    frame = pd.concat(series, axis=1) if series else pd.DataFrame()
    frame.columns = [one["name"] for one in description["columns"]]
    if (names := description["index"]) is None:
        return frame
    return frame.set_index([f"__index_{number}" for number in range(len(names))]).rename_axis(index=names)


def _to_series(column: Any, described: dict[str, Any]) -> Any:
    import pandas as pd

    if described["is_plain"]:
        return pd.Series(column.to_numpy()).astype(described["type"])
    if "categories" in described:
        values = pd.Categorical(column.to_list(), described["categories"], described["is_ordered"])
        return pd.Series(values)
    return pd.Series(column.to_list(), dtype=described["type"])


def _table(columns: dict[str, Any], kind: str) -> Any:
    """Return a dict of columns as a table of the library that the model was trained with."""
    if kind == "polars" or importlib.util.find_spec("pandas") is None:
        import polars

        return polars.DataFrame(columns)
    import pandas as pd

    return pd.DataFrame(columns)


def _save(model: Any, folder: Path) -> str:
    library = type(model).__module__.partition(".")[0]
    if library == "xgboost" and hasattr(model, "save_model"):
        model.save_model(folder / "model.ubj")
        return "xgboost"
    if "torch" in sys.modules and isinstance(model, sys.modules["torch"].nn.Module):
        import cloudpickle

        sys.modules["torch"].save(model, folder / "model.pt", pickle_module=cloudpickle)
        return "torch"
    if library == "sklearn" and _save_skops(model, folder / "model.skops"):
        return "skops"
    import cloudpickle

    (folder / "model.pkl").write_bytes(cloudpickle.dumps(model))
    return "pickle"


def _save_skops(model: Any, path: Path) -> bool:
    """Save with skops. Returns False if skops is not installed or does not support a part of the model."""
    try:
        import skops.io
    except ImportError:
        return False
    try:
        skops.io.dump(model, path)
        if all(kind.startswith(TRUSTED) for kind in skops.io.get_untrusted_types(file=path)):
            return True
    except Exception as error:  # noqa: BLE001 - skops reports unsupported parts with any exception
        print(f"skops does not support this model ({error}); it is pickled instead.")
    path.unlink(missing_ok=True)
    return False


def _load_skops(folder: Path, _description: dict[str, Any]) -> Any:
    import skops.io

    path = folder / "model.skops"
    trusted = [kind for kind in skops.io.get_untrusted_types(file=path) if kind.startswith(TRUSTED)]
    return skops.io.load(path, trusted=trusted)


def _load_xgboost(folder: Path, description: dict[str, Any]) -> Any:
    import xgboost

    model = getattr(xgboost, description["class"])()
    model.load_model(folder / "model.ubj")
    return model


def _load_torch(folder: Path, _description: dict[str, Any]) -> Any:
    import torch

    return torch.load(folder / "model.pt", weights_only=False, map_location="cpu").eval()


def _load_pickle(folder: Path, _description: dict[str, Any]) -> Any:
    return pickle.loads((folder / "model.pkl").read_bytes())


def _predict_torch(model: Any, rows: Any) -> Any:
    import torch

    values = rows.to_numpy() if hasattr(rows, "to_numpy") else rows
    with torch.no_grad():
        return model(torch.as_tensor(values, dtype=torch.get_default_dtype())).numpy()


LOADERS = {"skops": _load_skops, "xgboost": _load_xgboost, "torch": _load_torch, "pickle": _load_pickle}

if __name__ == "__main__":
    main()
