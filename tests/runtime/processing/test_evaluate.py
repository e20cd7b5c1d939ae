"""The program evaluate: the same report for all forms of predictions, and clear errors."""

import io
import json
import tarfile
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import polars as pl
import pytest
from sklearn import metrics as sk

from lowcloud import contract
from lowcloud.runtime import algorithms
from lowcloud.runtime.algorithms.linear_learner.model import LinearModel, save
from lowcloud.runtime.errors import ClientError
from lowcloud.runtime.processing.evaluate.archive import unpack
from tests.support.programs.processing_runs import Checked, Run, run

FILE = "evaluation/evaluation.json"
RANDOM = np.random.default_rng(11)
TRUTH = RANDOM.integers(0, 2, 80)
SCORES = np.clip(RANDOM.normal(0.35 + 0.3 * TRUTH, 0.2), 0.01, 0.99).round(3)
FAST = "--bootstrap=10"


def csv_of(head: str, *columns: object) -> str:
    rows = zip(*columns, strict=True)  # type: ignore[call-overload]
    return f"{head}\n" * bool(head) + "".join(",".join(map(str, row)) + "\n" for row in rows)


def evaluated(left: Run) -> dict:  # type: ignore[type-arg]
    assert left.code == 0, left.failure
    document = left.json(FILE)
    Checked((left.output / "evaluation" / "evaluation.html").read_text())
    return next(group for name, group in document.items() if name.endswith("_metrics"))


WORDS = np.where(TRUTH == 1, "yes", "no")
ORDER = RANDOM.permutation(80)
IDS = np.arange(80)
PARQUET = io.BytesIO()
pl.DataFrame({"label": WORDS, "score": SCORES}).write_parquet(PARQUET)
SHAPES: dict[str, tuple[dict[str, str | bytes], list[str]]] = {
    "named columns": ({"input/d.csv": csv_of("label,score", TRUTH, SCORES)}, []),
    "other names": (
        {"input/d.csv": csv_of("x,truth,p", IDS, TRUTH, SCORES)},
        ["--label=truth", "--scores=p"],
    ),
    "by number": ({"input/d.csv": csv_of("", IDS, TRUTH, SCORES)}, ["--label=1", "--scores=2"]),
    "no header": ({"input/d.csv": csv_of("", TRUTH, SCORES)}, []),
    "texts": ({"input/d.csv": csv_of("label,score", WORDS, SCORES)}, []),
    "other positive": (
        {"input/d.csv": csv_of("label,score", np.where(TRUTH == 1, "bad", "good"), SCORES)},
        ["--positive=bad"],
    ),
    "given names": ({"input/d.csv": csv_of("", TRUTH, SCORES)}, ["--columns=label,score"]),
    "one score per class": (
        {"input/d.csv": csv_of("label,a,b", TRUTH, 1 - SCORES, SCORES)},
        ["--scores=a,b"],
    ),
    "lists": (
        {"input/d.csv": csv_of("label;scores", [f"{t};[{1 - s}, {s}]" for t, s in zip(TRUTH, SCORES, strict=True)])},
        ["--delimiter=;"],
    ),
    "predictions beside": (
        {"input/d.csv": csv_of("label,prediction,score", TRUTH, (SCORES >= 0.5).astype(int), SCORES)},
        [],
    ),
    "parquet": ({"input/d.parquet": PARQUET.getvalue()}, []),
    "two files by order": (
        {"input/truth/t.csv": csv_of("", TRUTH, IDS), "input/predictions/p.csv": csv_of("", SCORES)},
        ["--scores=2"],
    ),
    "two files by id": (
        {
            "input/truth/t.csv": csv_of("id,label", IDS, TRUTH),
            "input/predictions/p.csv": csv_of("id,score", IDS[ORDER], SCORES[ORDER]),
        },
        ["--id=id"],
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_predictions_are_found_in_whatever_shape_they_come(tmp_path: Path, shape: str) -> None:
    files, arguments = SHAPES[shape]
    group = evaluated(run(tmp_path, "evaluate", files, FAST, *arguments))
    assert group["auc"]["value"] == pytest.approx(sk.roc_auc_score(TRUTH, SCORES))
    assert group["f1"]["value"] == pytest.approx(sk.f1_score(TRUTH, SCORES >= 0.5))
    assert group["log_loss"]["value"] == pytest.approx(sk.log_loss(TRUTH, SCORES))


def test_the_report_has_the_shape_of_model_quality_metrics(tmp_path: Path) -> None:
    left = run(tmp_path, "evaluate", {"input/d.csv": csv_of("label,score", TRUTH, SCORES)}, "--bootstrap=50")
    document = left.json(FILE)
    group = document["binary_classification_metrics"]
    matrix = sk.confusion_matrix(TRUTH, SCORES >= 0.5).tolist()
    assert group["confusion_matrix"] == {str(i): {str(j): matrix[i][j] for j in (0, 1)} for i in (0, 1)}
    accuracy = group["accuracy"]
    low, high = accuracy["confidence_interval"]
    assert low < accuracy["value"] < high
    assert accuracy["standard_deviation"] == pytest.approx(
        np.sqrt(accuracy["value"] * (1 - accuracy["value"]) / 80), rel=0.4
    )
    assert set(group["receiver_operating_characteristic_curve"]) >= {"false_positive_rates", "true_positive_rates"}
    assert set(group["precision_recall_curve"]) >= {"precisions", "recalls"}
    assert group["accuracy_best_constant_classifier"]["value"] == max(TRUTH.mean(), 1 - TRUTH.mean())
    assert document["dataset"]["item_count"] == 80
    again = run(tmp_path, "evaluate", {}, "--bootstrap=50")
    assert again.json(FILE) == document


def test_many_classes_and_numbers_have_their_groups(tmp_path: Path) -> None:
    truth = RANDOM.integers(0, 3, 60)
    chances = RANDOM.dirichlet([1, 1, 1], 60)
    words = np.array(["ant", "bee", "cat"])[truth]
    text = csv_of("label,score_0,score_1,score_2", words, *chances.T.tolist())
    group = evaluated(run(tmp_path / "many", "evaluate", {"input/d.csv": text}, FAST))
    assert group["weighted_f1"]["value"] == pytest.approx(sk.f1_score(truth, chances.argmax(1), average="weighted"))
    assert group["confusion_matrix"]["bee"]["cat"] == int(((truth == 1) & (chances.argmax(1) == 2)).sum())
    values = RANDOM.normal(0, 1, 60)
    text = csv_of("label,prediction", values, values + 0.5)
    group = evaluated(run(tmp_path / "numbers", "evaluate", {"input/d.csv": text}, FAST))
    assert group["mae"]["value"] == pytest.approx(0.5)
    assert group["r2"]["value"] == pytest.approx(sk.r2_score(values, values + 0.5))
    text = csv_of("label,prediction", words, words[::-1])
    group = evaluated(run(tmp_path / "decisions", "evaluate", {"input/d.csv": text}, FAST))
    assert group["accuracy"]["value"] == pytest.approx((words == words[::-1]).mean())


def test_rows_can_be_weighed(tmp_path: Path) -> None:
    weights = RANDOM.integers(0, 4, 80)
    text = csv_of("label,score,w", TRUTH, SCORES, weights)
    group = evaluated(run(tmp_path, "evaluate", {"input/d.csv": text}, "--weight=w", FAST))
    assert group["auc"]["value"] == pytest.approx(sk.roc_auc_score(TRUTH, SCORES, sample_weight=weights))


def test_rows_without_a_prediction_are_left_out_on_request(tmp_path: Path) -> None:
    text = "label,score\n1,0.9\n0,\n0,0.2\n,0.3\n1,NaN\n1,0.4\n"
    left = run(tmp_path, "evaluate", {"input/d.csv": text}, "--missing=drop", FAST)
    assert evaluated(left)["accuracy"]["value"] == pytest.approx(2 / 3)
    assert left.json(FILE)["warnings"] == ["3 rows without a label or a prediction were omitted."]


def test_one_class_in_the_truth_is_measured_as_far_as_it_goes(tmp_path: Path) -> None:
    left = run(tmp_path, "evaluate", {"input/d.csv": "label,score\n1,0.9\n1,0.2\n"}, FAST)
    group = evaluated(left)
    assert (group["recall"]["value"], group["auc"]["value"]) == (0.5, None)
    assert "No row has the class 0" in left.json(FILE)["warnings"][0]


def test_scores_that_mean_the_other_class_are_noticed(tmp_path: Path) -> None:
    left = run(tmp_path, "evaluate", {"input/d.csv": csv_of("label,score", TRUTH, 1 - SCORES)}, FAST)
    assert "are these scores of the other class?" in left.json(FILE)["warnings"][0]


def packed(tmp_path: Path, model: LinearModel) -> bytes:
    save(model, tmp_path / "made")
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        archive.add(tmp_path / "made", ".")
    return file.getvalue()


def test_a_model_predicts_the_rows_it_is_evaluated_on(tmp_path: Path) -> None:
    x = RANDOM.normal(0, 1, (50, 2)).round(3)
    truth = (x[:, 0] - x[:, 1] + RANDOM.normal(0, 0.5, 50) > 0).astype(int)
    model = LinearModel("binary_classifier", "logistic", np.array([[2.0], [-2.0]]), np.array([0.1]), threshold=0.3)
    files = {"input/d.csv": csv_of("", truth, *x.T.tolist()), "model/model.tar.gz": packed(tmp_path, model)}
    group = evaluated(run(tmp_path, "evaluate", files, FAST))
    assert group["auc"]["value"] == pytest.approx(sk.roc_auc_score(truth, model.scores(x)[:, 0]))
    assert group["accuracy"]["value"] == pytest.approx((model.predict(x) == truth).mean())
    regressor = LinearModel("regressor", "squared_loss", np.array([[2.0], [-2.0]]), np.array([0.1]))
    y = (x @ [2, -2]).round(2)
    files = {"input/d.csv": csv_of("", y, *x.T.tolist()), "input/model/model.tar.gz": packed(tmp_path, regressor)}
    group = evaluated(run(tmp_path / "numbers", "evaluate", files, FAST))
    assert group["mae"]["value"] == pytest.approx(np.abs(model.margins(x)[:, 0] - y).mean())


class Told:
    """A predictor with given answers."""

    def __init__(self, objective: str, lines: list[str]):
        self.objective = objective
        self.lines = lines

    def respond(self, body: bytes, content_type: str, accept: str) -> tuple[bytes, str]:
        return "\n".join(self.lines).encode(), accept


@pytest.mark.parametrize(
    ("objective", "answers", "labels", "measure", "expected"),
    [
        ("multi:softmax", ["0.0", "2.0", "1.0", "1.0"], [0, 2, 1, 0], "accuracy", 0.75),
        ("multi:softprob", ["[0.8, 0.1, 0.1]", "[0.1, 0.1, 0.8]", "[0.2, 0.6, 0.2]", "[0.3, 0.5, 0.2]"], [0, 2, 1, 0],
         "accuracy", 0.75),
        ("binary:logistic", ["0.9", "0.2", "0.6", "0.4"], [1, 0, 1, 1], "accuracy", 0.75),
        ("binary:hinge", ["1.0", "0.0", "0.0", "1.0"], [1, 0, 1, 1], "recall", 2 / 3),
        ("reg:squarederror", ["1.0", "0.0", "0.0", "1.0"], [1, 0, 1, 1], "mae", 0.25),
        ("rank:pairwise", ["3.5", "-1.0", "2.0", "0.1"], [1, 0, 1, 0], "auc", 1),
    ],
)  # fmt: skip
def test_predictions_are_interpreted_by_the_models_objective(
    tmp_path: Path, objective: str, answers: list[str], labels: list[int], measure: str, expected: float
) -> None:
    reported = SimpleNamespace(load=lambda folder: Told(objective, answers))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(algorithms, "find", lambda name: reported)
        files = {"input/d.csv": csv_of("", labels, range(4)), "model/xgboost-model": "a booster"}
        group = evaluated(run(tmp_path, "evaluate", files, FAST))
    assert group[measure]["value"] == pytest.approx(expected)


def archive_of(*members: tuple[tarfile.TarInfo, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as archive:
        for member, content in members:
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return file.getvalue()


def member(name: str, kind: bytes = tarfile.REGTYPE, target: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type, made.linkname = kind, target
    return made


def test_only_regular_files_of_an_artifact_are_unpacked_inside_its_folder(tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    hostile = archive_of(
        (member("link", tarfile.SYMTYPE, str(outside)), b""),
        (member("hard", tarfile.LNKTYPE, "link"), b""),
        (member("pipe", tarfile.FIFOTYPE), b""),
        (member("link/file"), b"inside"),
    )
    (tmp_path / "a.tar").write_bytes(hostile)
    unpack(tmp_path / "a.tar", tmp_path / "unpacked")
    assert [str(path.relative_to(tmp_path / "unpacked")) for path in (tmp_path / "unpacked").rglob("*")] == [
        "link",
        "link/file",
    ]
    assert not list(outside.iterdir())
    for name in ("../up", "/etc/lowcloud", "a/../../up"):
        (tmp_path / "b.tar").write_bytes(archive_of((member(name), b"x")))
        with pytest.raises(ClientError, match="outside of its folder"):
            unpack(tmp_path / "b.tar", tmp_path / "unpacked")
    (tmp_path / "c.tar").write_bytes(b"no archive")
    with pytest.raises(ClientError, match="not a readable model artifact"):
        unpack(tmp_path / "c.tar", tmp_path / "unpacked")


FAULTS: dict[str, tuple[dict[str, str], list[str], str]] = {
    "nothing": ({}, [], "There are no files with data in"),
    "no rows": ({"input/d.csv": "label,score\n"}, [], "The input has no rows"),
    "no such column": (
        {"input/d.csv": "label,score\n1,0.2\n"},
        ["--scores=p"],
        "Argument scores: there is no column 'p'",
    ),
    "which": ({"input/d.csv": "label,a,b\n1,2,3\n0,1,2\n"}, [], "No column of predictions was found."),
    "missing": ({"input/d.csv": "label,score\n1,0.2\n0,\n"}, [], "Column 'score', row 2 has no value (1 rows"),
    "NaN": ({"input/d.csv": "label,score\n1,0.2\n0,nan\n"}, [], "Column 'score', row 2 has no value"),
    "no score": ({"input/d.csv": "label,score\n1,0.2\n0,high\n"}, [], "row 2: 'high' is not a finite number (a score)"),
    "infinite": ({"input/d.csv": "label,score\n1,0.2\n0,inf\n"}, [], "row 2: 'inf' is not a finite number"),
    "one label": ({"input/d.csv": "label,score\na,0.2\na,0.3\n"}, [], "Column 'label' has only one label ('a')"),
    "unknown class": (
        {"input/d.csv": "label,score\na,0.2\nb,0.3\n"},
        ["--classes=a,c"],
        "row 2: 'b' is not one of a, c",
    ),
    "positive": (
        {"input/d.csv": "label,score\na,0.2\nb,0.3\n"},
        ["--positive=c"],
        "there is no label 'c'; the labels are a, b",
    ),
    "widths": (
        {"input/d.csv": "label,score_0,score_1,score_2\na,0.2,0.3,0.5\nb,0.3,0.3,0.4\n"},
        [],
        "There are 3 scores per row and 2 classes (a, b)",
    ),
    "no number": (
        {"input/d.csv": "label,prediction\n1.5,2\nx,3\n"},
        ["--task=regression"],
        "row 2: 'x' is not a finite",
    ),
    "lengths": (
        {"input/truth/t.csv": "label\n1\n0\n", "input/predictions/p.csv": "score\n0.2\n"},
        [],
        "truth has 2 rows and predictions 1",
    ),
    "lost row": (
        {"input/truth/t.csv": "id,label\n1,1\n2,0\n", "input/predictions/p.csv": "id,score\n1,0.2\n3,1\n"},
        ["--id=id"],
        "predictions has no row for 1 of the 2 rows in truth, e.g. for id='2'",
    ),
    "twice": (
        {"input/truth/t.csv": "id,label\n1,1\n1,0\n", "input/predictions/p.csv": "id,score\n1,0.2\n"},
        ["--id=id"],
        "truth, column 'id': '1' occurs more than once",
    ),
    "twice in other spellings": (
        {"input/truth/t.csv": "id,label\n01,1\n1,0\n", "input/predictions/p.csv": "id,score\n1,0.2\n01,0.7\n"},
        ["--id=id"],
        "truth, column 'id': '01' occurs more than once",
    ),
    "weights": (
        {"input/d.csv": "label,score,w\n1,0.2,-1\n0,0.1,1\n"},
        ["--weight=w"],
        "must contain non-negative weights",
    ),
    "unknown model": ({"input/d.csv": "1,2\n0,3\n", "model/other.bin": "?"}, [], "is not of a supported algorithm"),
    "no model": ({"input/d.csv": "1,2\n0,3\n", "model/model.tar.gz": "?"}, [], "not a readable model artifact"),
    "contradiction": ({}, ["--task=regression", "--positive=1"], "positive is not valid with task=regression"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_an_error_ends_the_job_with_a_message(tmp_path: Path, fault: str) -> None:
    files, arguments, sentence = FAULTS[fault]
    left = run(tmp_path, "evaluate", files, *arguments)
    assert left.code == contract.EXIT_CLIENT_ERROR
    assert left.failure.startswith("ClientError: ")
    assert sentence in left.failure, left.failure


def test_a_model_refuses_rows_of_another_width(tmp_path: Path) -> None:
    model = LinearModel("regressor", "squared_loss", np.array([[2.0], [-2.0]]), np.array([0.1]))
    files = {"input/d.csv": "1.5,2,3,4\n2.5,3,4,5\n", "model/model.tar.gz": packed(tmp_path, model)}
    left = run(tmp_path, "evaluate", files)
    assert "The model rejects the rows from 1 on: Row 1 has 3 features; the model needs 2." in left.failure


def test_hostile_texts_stay_texts_on_the_page(tmp_path: Path) -> None:
    words = ["<script>alert(1)</script>", '"><img src=x>']
    text = "label;prediction\n" + "".join(f"'{words[i % 2]}';'{words[i % 2]}'\n" for i in range(6))
    left = run(tmp_path, "evaluate", {"input/d.csv": text.replace('"', "")}, "--delimiter=;", "--title=<b>x", FAST)
    assert evaluated(left)["accuracy"]["value"] == 1
    page = (left.output / "evaluation" / "evaluation.html").read_text()
    assert "<script" not in page
    assert "&lt;b&gt;x" in page
    assert json.dumps(left.json(FILE)).count("<script>") >= 1


LABELS = TRUTH[:40]
PREDICTED = np.where(RANDOM.random(40) < 0.3, 1 - LABELS, LABELS)
MIXED = RANDOM.permutation(40)
ACCURACY = float((LABELS == PREDICTED).mean())


@pytest.mark.parametrize("key", ["id", "customer_id", "name"])
def test_truth_and_predictions_in_different_orders_are_joined_by_the_column_that_both_have(
    tmp_path: Path, key: str, capsys: pytest.CaptureFixture[str]
) -> None:
    keys = np.array([f"k{i}" for i in range(40)])
    files = {
        "input/truth/t.csv": csv_of(f"{key},group,label", keys, MIXED % 3, LABELS),
        "input/predictions/p.csv": csv_of(f"prediction,group,{key}", PREDICTED[MIXED], MIXED % 3, keys[MIXED]),
    }
    left = run(tmp_path, "evaluate", files, FAST)
    assert evaluated(left)["accuracy"]["value"] == pytest.approx(ACCURACY)
    assert left.json(FILE)["dataset"]["matched_by"] == key
    assert f"Joined truth and predictions by column {key!r}" in capsys.readouterr().out


def test_an_id_that_cannot_join_is_refused(tmp_path: Path) -> None:
    files = {
        "input/truth/t.csv": csv_of("id,label", IDS[:40], LABELS),
        "input/predictions/p.csv": csv_of("id,prediction", IDS[1:41], PREDICTED),
    }
    assert (
        "predictions has no row for 1 of the 40 rows in truth, e.g. for id='0'"
        in run(tmp_path, "evaluate", files).failure
    )


def test_rows_that_were_matched_by_order_are_reported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = {
        "input/truth/t.csv": csv_of("age,label", np.arange(40) // 2, LABELS),
        "input/predictions/p.csv": csv_of("age,prediction", np.arange(40)[::-1] // 2, PREDICTED),
    }
    left = run(tmp_path, "evaluate", files, FAST)
    assert evaluated(left)["accuracy"]["value"] == pytest.approx(ACCURACY)
    warning = left.json(FILE)["warnings"][0]
    assert warning.startswith(
        "The rows of truth and predictions were matched by their order. Pass the column that joins them"
    )
    assert warning.endswith("Column 'age' of both differs in 40 rows: is the order the same?")
    assert f"Warning: {warning}" in capsys.readouterr().out
    assert left.json(FILE)["dataset"]["matched_by"] == "order"


@pytest.mark.parametrize("words", [("no", "yes"), ("False", "True"), ("2", "3")])
def test_classes_that_are_written_in_two_ways_are_refused(tmp_path: Path, words: tuple[str, str]) -> None:
    truth = np.array(words)[LABELS]
    left = run(tmp_path, "evaluate", {"input/d.csv": csv_of("label,prediction", truth, PREDICTED)})
    assert f"Columns 'label' ({words[0]}, {words[1]}) and 'prediction' (0, 1) share no class" in left.failure


def test_a_model_gets_the_columns_that_it_was_trained_on_by_name(tmp_path: Path) -> None:
    model = LinearModel("regressor", "squared_loss", np.array([[2.0], [-2.0]]), np.array([0.0]), names=("a", "b"))
    files = {"input/d.csv": "b,id,a,label\n1,7,3,4\n2,8,5,6\n", "model/model.tar.gz": packed(tmp_path, model)}
    assert evaluated(run(tmp_path / "named", "evaluate", files, FAST))["mae"]["value"] == 0
    files["input/d.csv"] = "3,1,4\n5,2,6\n"
    left = run(tmp_path / "by position", "evaluate", files, FAST, "--label=2")
    assert evaluated(left)["mae"]["value"] == 0
    files["input/d.csv"] = "b,c,label\n1,7,4\n"
    assert (
        "does not have the column 'a', which the model was trained on" in run(tmp_path / "x", "evaluate", files).failure
    )


def test_labels_that_are_different_codes_and_equal_numbers_are_refused(tmp_path: Path) -> None:
    text = "label,prediction\n007,007\n7,7\n1,1\n"
    left = run(tmp_path / "a", "evaluate", {"input/d.csv": text}, "--prediction=prediction", "--task=multiclass")
    assert "Column 'label' has the labels '007' and '7', which are equal as numbers" in left.failure
    text = f"label,prediction\n007,7\n{2**63},{2**63 + 1}\n"
    left = run(tmp_path / "b", "evaluate", {"input/d.csv": text}, "--prediction=prediction", "--task=multiclass", FAST)
    assert evaluated(left)["accuracy"]["value"] == 0.5
