"""Models with users' inference scripts respond as SageMaker's inference toolkits do."""

import io
import json
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import joblib
import numpy as np
import pytest
import skops.io
from sklearn.tree import DecisionTreeClassifier

from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError, arrays
from lowcloud.runtime.serving import script_model
from tests.runtime.serving.test_serve import UnixConnection, launch

SUM = """
class Model:
    def predict(self, rows):
        assert str(rows.dtype) in ("float32", "int64", "float64")
        return rows.sum(axis=1)
def model_fn(folder):
    return Model()
"""


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    (tmp_path / "model/code").mkdir(parents=True)
    (tmp_path / "code").mkdir()
    for name in ("SAGEMAKER_PROGRAM", "SAGEMAKER_SUBMIT_DIRECTORY", "SAGEMAKER_DEFAULT_INVOCATIONS_ACCEPT"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("SM_MODEL_DIR", "")
    before = list(sys.path)
    yield tmp_path / "model"
    sys.path[:] = before
    for name in ("inference", "serve_it", "beside"):
        sys.modules.pop(name, None)


def load(folder: Path, script: str, name: str = "inference.py") -> script_model.ScriptModel:
    (folder / "code" / name).write_text(script)
    return script_model.load(folder)


def test_csv_json_and_npy_are_read_and_written_where_the_script_does_not(folder: Path) -> None:
    model = load(folder, SUM)
    assert model.respond(b"1,2\n3,4\n", "text/csv", "application/json") == (b"[3.0, 7.0]", "application/json")
    assert model.respond(b"1,2", "text/csv; charset=utf-8", "text/csv") == (b"3.0\n", "text/csv")
    assert model.respond(b"[[1,2]]", "application/json", "*/*") == (b"[3.0]", "application/json")
    packed = io.BytesIO()
    np.save(packed, np.array([[1, 2], [3, 4]]))
    body, kind = model.respond(packed.getvalue(), "application/x-npy", "application/x-npy")
    assert kind == "application/x-npy"
    assert np.load(io.BytesIO(body)).tolist() == [3, 7]


def test_each_function_of_the_script_is_used(folder: Path) -> None:
    model = load(
        folder,
        "import json\n"
        "def model_fn(folder): return 10\n"
        "def input_fn(body, kind): assert isinstance(body, str); return json.loads(body)['x'], kind\n"
        "def predict_fn(data, model): return data[0] * model, data[1]\n"
        "def output_fn(answer, accept): return json.dumps(answer), 'application/mine'\n",
    )
    body, kind = model.respond(b'{"x": 2}', "application/json", "text/csv")
    assert (json.loads(body), kind) == ([20, "application/json"], "application/mine")


def test_transform_fn_replaces_all_functions(folder: Path) -> None:
    script = "def model_fn(folder): return 1\ndef transform_fn(model, body, kind, accept): return body[::-1], accept\n"
    assert load(folder, script).respond(b"ab", "application/octet-stream", "text/plain") == (b"ba", "text/plain")


def test_transform_fn_together_with_functions_it_replaces_is_refused(folder: Path) -> None:
    with pytest.raises(ClientError, match="transform_fn"):
        load(folder, SUM + "def transform_fn(m, b, k, a): pass\ndef predict_fn(d, m): pass\n")


def test_a_function_with_the_toolkits_context_argument_gets_none(folder: Path) -> None:
    model = load(folder, "def model_fn(folder, context): return 1\ndef predict_fn(d, m, context=None): return [m]\n")
    assert model.respond(b"[]", "application/json", "application/json")[0] == b"[1]"


def test_the_script_may_be_in_the_staged_source_archive(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "serve_it.py")
    monkeypatch.setenv("SAGEMAKER_SUBMIT_DIRECTORY", "s3://bucket/source.tar.gz")
    (folder.parent / "code/beside.py").write_text("WORD = 'beside'")
    (folder.parent / "code/serve_it.py").write_text("import beside\ndef model_fn(f): return beside.WORD\n" + PREDICT)
    assert script_model.load(folder).respond(b"[]", "application/json", "application/json")[0] == b'"beside"'


PREDICT = "def predict_fn(data, model): return model\n"


def test_model_fn_gets_the_model_folder(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_SUBMIT_DIRECTORY", "/opt/ml/model/code")
    (folder / "weights").write_text("7")
    model = load(folder, "import pathlib\ndef model_fn(f): return pathlib.Path(f, 'weights').read_text()\n" + PREDICT)
    assert model.respond(b"[]", "application/json", "application/json")[0] == b'"7"'


def test_a_missing_script_is_named(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "serve_it.py")
    (folder / "code/other.py").write_text("")
    (folder / "serve_it.py").write_text("")  # where it does not belong
    says = "'serve_it.py' is not in the folder code of the model archive. .* contains: code/other.py, serve_it.py"
    with pytest.raises(ClientError, match=says):
        script_model.load(folder)


def test_a_model_of_an_unknown_format_is_refused(folder: Path) -> None:
    (folder / "model.bin").write_bytes(b"")
    with pytest.raises(ClientError, match=r"no model_fn.*model.bin"):
        load(folder, "")


@pytest.mark.parametrize(
    ("body", "content_type", "accept", "refusal"),
    [
        (b"1,2", "text/strange", "text/csv", UnsupportedMediaTypeError),
        (b"1,2", "text/csv", "text/strange", NotAcceptableError),
        (b"{", "application/json", "text/csv", BadRequestError),
        (b"no array", "application/x-npy", "text/csv", BadRequestError),
        (b"\xff", "text/csv", "text/csv", BadRequestError),
    ],
)
def test_invalid_requests_and_responses_are_refused(
    folder: Path, body: bytes, content_type: str, accept: str, refusal: type[Exception]
) -> None:
    with pytest.raises(refusal):
        load(folder, SUM).respond(body, content_type, accept)


def test_an_array_of_objects_is_never_unpickled() -> None:
    packed = io.BytesIO()
    np.save(packed, np.array([{}]), allow_pickle=True)
    with pytest.raises(BadRequestError):
        arrays.decode(packed.getvalue(), arrays.NPY)


def test_a_booster_is_served_without_a_script(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAGEMAKER_PROGRAM", "")  # as the SDK sends it
    xgboost = pytest.importorskip("xgboost")
    rows = np.array([[0.0], [1.0]] * 8)
    booster = xgboost.train({"objective": "reg:squarederror"}, xgboost.DMatrix(rows, rows[:, 0]), 5)
    booster.save_model(str(folder / "xgboost-model.json"))
    (folder / "xgboost-model.json").rename(folder / "xgboost-model")
    model = script_model.load(folder)
    expected = booster.predict(xgboost.DMatrix(rows[:2])).tolist()
    assert json.loads(model.respond(b"0\n1\n", "text/csv", "application/json")[0]) == expected
    assert json.loads(model.respond(b"0 0:0\n0 0:1\n", "text/libsvm", "application/json")[0]) == expected


def test_a_script_is_served_in_its_own_process(folder: Path, tmp_path: Path) -> None:
    (folder / "code/inference.py").write_text(SUM)
    path = str(tmp_path / "http")
    server = launch(
        [sys.executable, "-m", "lowcloud.runtime.serving.serve", "script"],
        path,
        {"SAGEMAKER_BASE_DIR": str(folder.parent), "LOWCLOUD_SOCKET": path, "SM_MODEL_DIR": str(folder)},
    )
    try:
        connection = UnixConnection(path)
        connection.request("POST", "/invocations", b"1,2\n3,4\n", {"Content-Type": "text/csv", "Accept": "text/csv"})
        assert connection.getresponse().read() == b"3.0\n7.0\n"
    finally:
        server.process.terminate()
        server.process.wait(timeout=20)


@pytest.mark.parametrize("ending", ["joblib", "skops"])
def test_a_model_of_scikit_learn_is_served_without_a_script(folder: Path, ending: str) -> None:
    rows, labels = np.array([[0.0], [1.0], [2.0]]), [0, 1, 1]
    model = DecisionTreeClassifier().fit(rows, labels)
    keep = joblib.dump if ending == "joblib" else skops.io.dump
    keep(model, folder / f"model.{ending}")
    body, kind = load(folder, "").respond(b"0\n2\n", "text/csv", "application/json")
    assert (body, kind) == (b"[0, 1]", "application/json")


def test_the_error_of_a_script_that_exits_on_import_says_where_training_code_belongs(folder: Path) -> None:
    with pytest.raises(ClientError, match=r"exited with 2 when it was imported. Put the training code below"):
        load(folder, "import argparse\nargparse.ArgumentParser().error('unrecognized arguments')\n")


def test_a_script_answers_by_the_toolkits_names(folder: Path) -> None:
    script = """
from sagemaker_containers.beta.framework import content_types, encoders, worker
from sagemaker_inference import errors
def model_fn(folder):
    return 10
def input_fn(body, content_type):
    if content_type == content_types.CSV:
        return [float(one) for one in body.split(",")]
    raise errors.UnsupportedFormatError(content_type)
def predict_fn(rows, model):
    if len(rows) > 2:
        raise errors.GenericInferenceToolkitError(422, "at most two")
    return [one * model for one in rows]
def output_fn(prediction, accept):
    if prediction == [0]:
        return worker.Response("nothing to say", status=400, mimetype="text/plain")
    if prediction == [-10]:
        return worker.Response("", status=1000)
    return worker.Response(encoders.encode(prediction, content_types.JSON), mimetype=content_types.JSON)
"""
    model = load(folder, script)
    assert model.respond(b"1,2", "text/csv", "text/csv") == (b"[10.0, 20.0]", "application/json")
    with tempfile.TemporaryDirectory() as short:
        environment = {"LOWCLOUD_SOCKET": f"{short}/s", "SAGEMAKER_BASE_DIR": str(folder.parent)}
        server = launch([sys.executable, "-m", "lowcloud.runtime.serving.serve", "script"], f"{short}/s", environment)
        try:
            for kind, body, expected in (
                ("text/csv", b"1,2", (200, b"[10.0, 20.0]")),
                ("text/csv", b"1,2,3", (422, b"at most two")),
                ("text/csv", b"0", (400, b"nothing to say")),
                ("text/csv", b"-1", (500, b"The inference script answered with 1000, which is no HTTP status.")),
                ("image/png", b"", (415, b"Content type image/png is not supported by this framework.")),
            ):
                connection = UnixConnection(f"{short}/s")
                connection.request("POST", "/invocations", body, {"Content-Type": kind})
                answer = connection.getresponse()
                assert (answer.status, answer.read()) == expected
        finally:
            server.process.kill()
            server.process.communicate()
