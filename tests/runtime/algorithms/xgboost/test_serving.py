"""Endpoints of xgboost: all request and response formats, compared with XGBoost's own predictions."""

import csv
import json
import pickle
from pathlib import Path

import numpy as np
import pytest
import xgboost

from lowcloud.runtime.algorithms import xgboost as algorithm
from lowcloud.runtime.algorithms.xgboost.serving import UnreadableXGBoostModelError, XGBoostPredictor
from lowcloud.runtime.formats import BadRequestError, NotAcceptableError, UnsupportedMediaTypeError, framing, recordio
from tests.support.data.tables import encode_table

pytestmark = pytest.mark.filterwarnings("ignore:.*:UserWarning")

RNG = np.random.default_rng(3)
X = RNG.normal(size=(200, 4)).astype(np.float32)
X[RNG.random(X.shape) < 0.1] = np.nan
Y = (np.nan_to_num(X[:, 0]) > 0).astype(float)
THREE = np.digitize(np.nan_to_num(X[:, 0]), [-0.5, 0.5]).astype(float)
SELECTED = "SAGEMAKER_INFERENCE_OUTPUT"


def fit(folder: Path, name: str = "xgboost-model", **parameters: object) -> xgboost.Booster:
    requested = {"objective": "binary:logistic", "max_depth": 3, **parameters}
    labels = THREE if "num_class" in requested else Y
    booster = xgboost.train(requested, xgboost.DMatrix(X, label=labels), 5)
    booster.save_model(folder / name)
    return booster


def expected(booster: xgboost.Booster, rows: np.ndarray = X) -> list:
    return booster.predict(xgboost.DMatrix(rows)).tolist()


def as_csv(rows: np.ndarray) -> bytes:
    return "\n".join(",".join("" if np.isnan(cell) else str(cell) for cell in row) for row in rows).encode()


def as_libsvm(rows: np.ndarray) -> bytes:
    lines = (" ".join(f"{i}:{cell}" for i, cell in enumerate(row) if not np.isnan(cell)) for row in rows)
    return "\n".join(lines).encode()


def test_one_row_of_csv_is_answered_as_xgboost_predicts_it(tmp_path: Path) -> None:
    booster = fit(tmp_path)
    predictor = algorithm.load(tmp_path)
    whole = X[~np.isnan(X).any(axis=1)][:20]
    for row, score in zip(whole, expected(booster, whole), strict=True):
        assert predictor.respond(as_csv(row[None]), "text/csv", "text/csv") == (f"{score}\n".encode(), "text/csv")


@pytest.mark.parametrize("booster", ["gbtree", "dart", "gblinear"])
@pytest.mark.parametrize("kind", ["text/csv", "text/libsvm", "text/x-libsvm", "application/x-recordio-protobuf", "csv"])
def test_rows_of_every_format_are_predicted_missing_values_included(tmp_path: Path, kind: str, booster: str) -> None:
    model = fit(tmp_path, booster=booster)
    encode = {"text/csv": as_csv, "csv": as_csv}.get(kind, as_libsvm)
    body = encode_table(X, None) if "recordio" in kind else encode(X)
    answer, accepted = algorithm.load(tmp_path).respond(body, kind, "application/json")
    assert accepted == "application/json"
    found = [entry["score"] for entry in json.loads(answer)["predictions"]]
    assert found == pytest.approx(expected(model), abs=1e-6)


def test_leading_labels_of_libsvm_are_ignored(tmp_path: Path) -> None:
    fit(tmp_path)
    predictor = algorithm.load(tmp_path)
    with_labels = b"\n".join(b"1 " + line for line in as_libsvm(X).split(b"\n"))
    assert predictor.respond(with_labels, "text/libsvm", "") == predictor.respond(as_libsvm(X), "text/libsvm", "")


def test_responses_have_an_accepted_content_type(tmp_path: Path) -> None:
    scores = expected(fit(tmp_path), X[:3])
    predictor = algorithm.load(tmp_path)

    def answer(accept: str) -> tuple[bytes, str]:
        return predictor.respond(as_csv(X[:3]), "text/csv;charset=utf-8", accept)

    lines = "".join(f"{score}\n" for score in scores).encode()
    assert answer("text/csv") == (lines, "text/csv")
    assert answer("") == answer("*/*") == answer("text/csv")
    assert json.loads(answer("application/json")[0]) == {"predictions": [{"score": score} for score in scores]}
    assert [json.loads(line)["score"] for line in answer("application/jsonlines")[0].splitlines()] == scores
    assert answer("image/png, application/json;q=0.5")[1] == "application/json"
    body = answer("application/x-recordio-protobuf")[0]
    records = [recordio.decode(memoryview(body)[a:b]) for a, b in recordio.split(memoryview(body))]
    assert [record.label["score"].values.tolist() for record in records] == [[np.float32(score)] for score in scores]
    with pytest.raises(NotAcceptableError, match="image/png"):
        answer("image/png")


def test_the_images_of_release_0_72_answer_csv_in_one_line(tmp_path: Path) -> None:
    scores = expected(fit(tmp_path), X[:3])
    answer, _ = algorithm.load(tmp_path, "one-line").respond(as_csv(X[:3]), "text/csv", "text/csv")
    assert [float(cell) for cell in answer.decode().split(",")] == scores


def test_many_classes_are_answered_with_a_list_a_row(tmp_path: Path) -> None:
    scores = expected(fit(tmp_path, objective="multi:softprob", num_class=3), X[:2])
    predictor = algorithm.load(tmp_path)
    found = json.loads(predictor.respond(as_csv(X[:2]), "text/csv", "application/json")[0])
    assert [entry["score"] for entry in found["predictions"]] == scores
    assert [json.loads(line) for line in predictor.respond(as_csv(X[:2]), "", "text/csv")[0].splitlines()] == scores


def test_the_models_of_a_cross_validation_are_averaged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    models = [fit(tmp_path, f"xgboost-model-{i}", max_depth=i + 1) for i in range(3)]
    found = algorithm.load(tmp_path).predict(X)
    np.testing.assert_allclose(found, np.mean([expected(model) for model in models], axis=0), rtol=1e-6)
    monkeypatch.setenv("SAGEMAKER_INFERENCE_ENSEMBLE", "false")
    np.testing.assert_allclose(algorithm.load(tmp_path).predict(X), expected(models[0]), rtol=1e-6)


def select(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, wanted: str) -> XGBoostPredictor:
    monkeypatch.setenv(SELECTED, wanted)
    return algorithm.load(tmp_path)


def test_fields_are_selected_for_two_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = expected(fit(tmp_path), X[:3])
    predictor = select(tmp_path, monkeypatch, "predicted_label, probability,probabilities,labels,raw_score")
    answer, kind = predictor.respond(as_csv(X[:3]), "text/csv", "application/jsonlines")
    assert kind == "application/jsonlines"
    for line, score in zip(answer.splitlines(), scores, strict=True):
        assert json.loads(line) == {
            "predicted_label": int(score > 0.5),
            "probability": score,
            "probabilities": [1 - score, score],
            "labels": [0, 1],
            "raw_score": score,
        }


def test_fields_are_selected_for_many_classes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = expected(fit(tmp_path, objective="multi:softprob", num_class=3), X[:3])
    predictor = select(tmp_path, monkeypatch, "predicted_label,labels,probability,probabilities")
    answer, _ = predictor.respond(as_csv(X[:3]), "text/csv", "application/json")
    for entry, score in zip(json.loads(answer)["predictions"], scores, strict=True):
        best = int(np.argmax(score))
        assert entry == {
            "predicted_label": best,
            "labels": [0, 1, 2],
            "probability": score[best],
            "probabilities": score,
        }
    table = list(csv.reader(predictor.respond(as_csv(X[:3]), "text/csv", "text/csv")[0].decode().splitlines()))
    assert [json.loads(row[3]) for row in table] == scores
    body = memoryview(predictor.respond(as_csv(X[:3]), "text/csv", "application/x-recordio-protobuf")[0])
    records = [recordio.decode(body[a:b]) for a, b in recordio.split(body)]
    assert [record.label["predicted_label"].values.tolist() for record in records] == [[np.argmax(s)] for s in scores]


def test_fields_that_an_objective_lacks_are_nan(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    scores = expected(fit(tmp_path, objective="reg:squarederror"), X[:1])
    predictor = select(tmp_path, monkeypatch, "predicted_score,predicted_label")
    assert predictor.respond(as_csv(X[:1]), "text/csv", "text/csv")[0] == f"{scores[0]},nan".encode()
    fit(tmp_path, objective="rank:pairwise")
    with pytest.raises(ValueError, match="not supported for objective rank:pairwise"):
        select(tmp_path, monkeypatch, "predicted_score")


@pytest.mark.parametrize(
    ("body", "kind", "said"),
    [
        (b"", "text/csv", "no rows"),
        (b"1,2,3", "text/csv", "Row 1 has 3 features; the model needs 4"),
        (b"1,2,3,4\n1,2,x,4", "text/csv", "Row 2, feature 3: 'x' is not a number"),
        (b"1,2,3,4\n\n1,2,3,4", "text/csv", "Row 2 is blank"),
        (b"1,2,3,\n4", "text/csv", "Row 2 has 1 features; the model needs 4"),
        (b"1,2,3,\n", "text/libsvm", "Row 1 is not valid libsvm"),
        (b"1,2,3,1_0", "text/csv", "Row 1, feature 4: '1_0' is not a number"),
        (b"1;2;3;0,5", "text/csv", "Row 1 has 2 features; the model needs 4"),
        (b"1;2;3;4\n1,2,3,4", "text/csv", "Row 2 has 1 features; the model needs 4"),
        (b"1,2,3,1e39", "text/csv", "Row 1, feature 4 is not a finite number"),
        (b"1,2,3,inf", "text/csv", "Row 1, feature 4: inf is not a finite number"),
        (b"0:1\n\n1:1", "text/libsvm", "Row 2 is blank"),
        (b"0:1\n1:1e39", "text/libsvm", "Row 2 has a feature that is infinite"),
        (b'{"features": [1, 2, 3]}', "application/jsonlines", "Line 1 has 3 features; the model needs 4"),
        (b"0:1 9:1", "text/libsvm", "column 9, but the model's are 0 to 3"),
        (b"0:1 one", "text/libsvm", "is not valid libsvm"),
        (b"\x00\x01", "application/x-recordio-protobuf", "Record 1: the file ends inside"),
        (encode_table(X[:1, :3], None), "application/x-recordio-protobuf", "Record 1 has 3 features"),
        (b"{}", "application/json", "must look like"),
    ],
)
def test_requests_that_cannot_be_read_are_refused(tmp_path: Path, body: bytes, kind: str, said: str) -> None:
    fit(tmp_path)
    with pytest.raises(BadRequestError, match=said):
        algorithm.load(tmp_path).respond(body, kind, "text/csv")


@pytest.mark.parametrize(
    ("body", "kind"),
    [
        (b'"1.5",,"",-2\r\n', "text/csv"),
        (b"\xef\xbb\xbf1.5;nan;;-2\n\n", "csv"),
        (b"1.5\t\t\t-2", "text/csv"),
        (b"\xef\xbb\xbf0:1.5 3:-2\n", "text/libsvm"),
        (b'{"instances": [{"features": [1.5, null, null, -2]}]}', "application/json"),
        (b'{"instances": [{"features": {"keys": [0, 3], "values": [1.5, -2]}}]}', "application/json"),
    ],
)
def test_missing_values_are_read_in_every_format(tmp_path: Path, body: bytes, kind: str) -> None:
    booster = fit(tmp_path)
    answer, _ = algorithm.load(tmp_path).respond(body, kind, "text/csv")
    assert float(answer) == expected(booster, np.array([[1.5, np.nan, np.nan, -2]], np.float32))[0]


def test_a_sparse_row_without_values_is_a_row_of_missing_values(tmp_path: Path) -> None:
    booster = fit(tmp_path)
    tensor = recordio._delimited(2, recordio._delimited(2, recordio._delimited(3, b"\x04")))
    body = framing.frame(recordio._delimited(1, recordio._delimited(1, b"values") + tensor))
    answer, _ = algorithm.load(tmp_path).respond(body, "application/x-recordio-protobuf", "text/csv")
    assert float(answer) == expected(booster, np.full((1, 4), np.nan, np.float32))[0]


def test_an_unknown_content_type_is_refused(tmp_path: Path) -> None:
    fit(tmp_path)
    with pytest.raises(UnsupportedMediaTypeError, match="image/png"):
        algorithm.load(tmp_path).respond(b"1", "image/png", "text/csv")


def test_a_pickle_is_never_opened(tmp_path: Path) -> None:
    (tmp_path / "xgboost-model").write_bytes(pickle.dumps({"any": "thing"}))
    with pytest.raises(UnreadableXGBoostModelError, match="is a pickle"):
        algorithm.load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"{}", b"no model", bytes(range(256))])
def test_bytes_that_are_not_a_model_are_named(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "xgboost-model").write_bytes(content)
    with pytest.raises(UnreadableXGBoostModelError, match="is not a valid XGBoost model"):
        algorithm.load(tmp_path)


def test_a_folder_without_a_model_is_named(tmp_path: Path) -> None:
    with pytest.raises(UnreadableXGBoostModelError, match="does not contain the file xgboost-model"):
        algorithm.load(tmp_path)


def test_a_truncated_model_is_named(tmp_path: Path) -> None:
    fit(tmp_path)
    whole = (tmp_path / "xgboost-model").read_bytes()
    for cut in (len(whole) // 3, len(whole) // 2, len(whole) - 1):
        (tmp_path / "xgboost-model").write_bytes(whole[:cut])
        with pytest.raises(UnreadableXGBoostModelError, match="is not a valid XGBoost model"):
            algorithm.load(tmp_path)
