"""Arguments of the built-in processing program `evaluate`; docs/processing-programs.md has the table."""

from collections.abc import Mapping

from lowcloud.schemas import Hyperparameter, Schema, Value, csv_arguments

ALGORITHMS = ("linear-learner", "xgboost")  # whose models are supported


def _text(name: str, doc: str, default: str | None = None) -> Hyperparameter:
    return Hyperparameter(name, "text", doc, default)


HYPERPARAMETERS = (
    Hyperparameter(
        "task",
        "choice",
        "What was predicted; auto determines it from labels and predictions.",
        "auto",
        words=("auto", "binary", "multiclass", "regression"),
    ),
    _text("label", "Column of the truth, by name or number from 0.", "label"),
    _text("prediction", "Column of the predicted label or number, by name or number."),
    _text(
        "scores",
        "Column of the positive class's probability or score, or of a list of all classes' probabilities; "
        "or a column for each class, comma-separated.",
    ),
    _text("classes", "Classes in the order of the score columns, comma-separated; by default sorted."),
    _text("positive", "The positive label of a binary task; by default the last in order."),
    _text("weight", "Column of the rows' weights."),
    _text("id", "Column that joins truth and predictions if they are in different files."),
    *csv_arguments.build_layout("files", "unless columns is given or the first line has only numbers"),
    Hyperparameter("threshold", "number", "Minimum score of a positive row, if there are only scores.", 0.5),
    Hyperparameter(
        "missing",
        "choice",
        "How rows without a label or a prediction are handled.",
        "fail",
        words=("fail", "drop"),
    ),
    csv_arguments.build_missing_words(", in any case of the letters"),
    Hyperparameter("bootstrap", "integer", "Resamples for each interval; 0 for none.", 200, minimum=0, maximum=10_000),
    Hyperparameter(
        "confidence",
        "number",
        "Confidence of the intervals.",
        0.95,
        minimum=0.5,
        maximum=1,
        open_maximum=True,
    ),
    Hyperparameter("calibration_bins", "integer", "Bins of the reliability curve.", 10, minimum=2, maximum=100),
    Hyperparameter("seed", "integer", "Seed of the bootstrap.", 0, minimum=0, maximum=2**31 - 1),
    Hyperparameter(
        "algorithm",
        "choice",
        "The built-in algorithm of the model in the folder model; auto determines it from the files.",
        "auto",
        words=("auto", *ALGORITHMS),
    ),
    _text("title", "Heading of the page.", "Evaluation"),
)


def _task_fits(values: Mapping[str, Value]) -> str | None:
    if values.get("task") == "regression":
        wrong = [name for name in ("scores", "classes", "positive") if name in values]
        return f"Argument {wrong[0]} is not valid with task=regression." if wrong else None
    if values.get("task") == "multiclass" and "positive" in values:
        return "Argument positive is not valid with task=multiclass."
    return None


SCHEMA = Schema(
    HYPERPARAMETERS, (csv_arguments.delimiter_is_one_character, _task_fits), noun="Argument", owner="this program"
)
