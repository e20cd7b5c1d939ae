"""The labels of a built-in algorithm: which classes a target has, and the hyperparameters that follow from them."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from lowcloud.schemas.tables import BLANKS, EXACT_WHOLE
from lowcloud.sdk import wording
from lowcloud.sdk.data import cells
from lowcloud.sdk.data.reading import Places, format_names
from lowcloud.sdk.errors import InvalidInputError

if TYPE_CHECKING:
    import polars as pl

Label = str | int | float | bool

MOST_CLASSES = 1000  # of texts; more are no labels
PROBABILITY, MARGIN, LABEL = "probability", "margin", "label"  # what the scores of a classifier are
XGBOOST_SCORES = {
    "binary:logistic": PROBABILITY,
    "binary:logitraw": MARGIN,
    "binary:hinge": LABEL,
    "multi:softprob": PROBABILITY,
    "multi:softmax": LABEL,
}


@dataclass(frozen=True)
class Target:
    """The target of a model: label i of the algorithm is classes[i]; None for numbers. `is_mapped`: they differ."""

    classes: tuple[Label, ...] | None = None
    is_mapped: bool = False
    scores: str = PROBABILITY
    parameters: Mapping[str, Any] = field(default_factory=dict)  # to be added to the given ones

    def spelled(self, spelling: Mapping[Label, Label]) -> "Target":
        """Return the target with its classes as the data spells them."""
        classes = self.classes and tuple(spelling.get(label, label) for label in self.classes)
        return replace(self, classes=classes)


@dataclass(frozen=True)
class _Task:
    """What the parameters say: the names of the parameters, the given number of classes, and the kind of target."""

    kind: str  # binary, multiclass, number, or "" if it is not given
    parameter: str  # by which it is given
    count_parameter: str
    count: int | None
    scores: str


def read_target(algorithm: str, parameters: Mapping[str, Any], column: "pl.Series | None") -> Target:
    """Return the target of an algorithm; `column` is the typed label column, None if its rows are not read.

    Raises InvalidInputError if the parameters contradict the column.
    """
    task = _task(algorithm, parameters)
    if column is None:
        count = {"binary": 2, "multiclass": task.count}.get(task.kind)
        return Target(tuple(range(count)), scores=task.scores) if count else Target()
    kind = cells.kind_of(column)
    if kind == "time":
        raise InvalidInputError(
            f"The target {column.name!r} has dates; a built-in algorithm predicts numbers or classes."
        )
    is_number = kind == "number"
    if task.kind == "number" or (is_number and not task.kind):
        if not is_number:
            raise InvalidInputError(
                f"The target {column.name!r} has {_examples(column)}, but {task.parameter} "
                f"{parameters.get(task.parameter)!r} predicts numbers. Choose a classifier, or leave {task.parameter} "
                "out."
            )
        return Target()
    classes = tuple(column.unique().sort().to_list())
    if column.dtype.is_float() and max(map(abs, classes)) >= EXACT_WHOLE:
        raise InvalidInputError(
            f"The target {column.name!r} has labels of {EXACT_WHOLE} and more, which cannot be told apart as "
            f"floating-point numbers. {wording.reading(types={column.name: 'text'})} reads texts."
        )
    if is_number and all(label == int(label) for label in classes):
        classes = tuple(map(int, classes))
    return _classes(task, column.name, classes, is_number=is_number, rows=len(column))


def regression_notes(algorithm: str, parameters: Mapping[str, Any], column: "pl.Series") -> list[str]:
    """Return a note if labels 0 and 1 are learned as numbers only because no parameter says otherwise."""
    task = _task(algorithm, parameters)
    if task.kind or not column.dtype.is_numeric() or set(column.unique().head(3)) != {0, 1}:
        return []
    binary = {"objective": "binary:logistic", "predictor_type": "binary_classifier"}[task.parameter]
    return [
        f"The label {column.name!r} is a number: regression; {wording.parameter(task.parameter, binary)} classifies"
    ]


def spelling(raw: "pl.Series", typed: "pl.Series") -> dict[Label, Label]:
    """Return how texts spell each truth, such as TRUE, if each is spelled in one way; `typed` are the same rows."""
    import polars as pl

    if raw.dtype != pl.String or typed.dtype != pl.Boolean:
        return {}
    words = {truth: raw.filter(typed == truth).str.strip_chars(BLANKS).unique() for truth in (True, False)}
    return {truth: found[0] for truth, found in words.items()} if all(len(one) == 1 for one in words.values()) else {}


def to_codes(column: "pl.Series", classes: tuple[Label, ...], places: Places) -> "pl.Series":
    """Return the index of each label. Raises InvalidInputError for a label that training did not have."""
    import polars as pl

    exact = column.cast(pl.Float64) if any(isinstance(one, float) for one in classes) else column  # 0 is not 0.5
    codes = exact.replace_strict(list(classes), list(range(len(classes))), default=None, return_dtype=pl.Int64)
    unknown = codes.is_null()
    if unknown.any():
        row = int(unknown.arg_max() or 0)
        raise InvalidInputError(
            f"{places.cell(row, column.name)}: the label {column[row]!r} does not occur in the training data, which "
            f"has {format_names(map(str, classes))}."
        )
    return codes


def _classes(task: _Task, name: str, classes: tuple[Label, ...], *, is_number: bool, rows: int) -> Target:
    found = f"The target {name!r} has {len(classes)} labels ({format_names(map(str, classes))})"
    if len(classes) < 2 and not is_number:
        raise InvalidInputError(f"{found}: nothing can be learned.")
    if not is_number and (len(classes) > MOST_CLASSES or (len(classes) > 20 and len(classes) * 2 > rows)):
        raise InvalidInputError(f"{found} in {rows} rows: these are no classes. Choose another target.")
    if task.kind == "binary" and len(classes) > 2:
        raise InvalidInputError(f"{found}, but {task.parameter} is for two. Choose a classifier of several classes.")
    if task.count is not None and len(classes) > task.count:
        raise InvalidInputError(f"{found}, but {task.count_parameter} is {task.count}.")
    is_binary = task.kind == "binary" or (not task.kind and len(classes) == 2)
    count = 2 if is_binary else task.count or (len(classes) if task.parameter == "objective" else max(3, len(classes)))
    if is_number and set(classes) <= set(range(count)):
        labels: tuple[Label, ...] = tuple(range(count))
        is_mapped = False
    else:
        labels, is_mapped = classes, classes != (False, True) or not is_binary
        if count != len(classes):
            raise InvalidInputError(
                f"{found}, but {task.count_parameter} is {count}. Leave {task.count_parameter} out, or choose a binary "
                "classifier for two labels."
            )
    return Target(labels, is_mapped, task.scores, _added(task, is_binary=is_binary, count=count))


def _added(task: _Task, *, is_binary: bool, count: int) -> dict[str, Any]:
    """Return the parameters that follow from the classes and are not given."""
    kinds = {
        "objective": ("binary:logistic", "multi:softprob"),
        "predictor_type": ("binary_classifier", "multiclass_classifier"),
    }[task.parameter]
    added: dict[str, Any] = {} if task.kind else {task.parameter: kinds[not is_binary]}
    return added | ({} if is_binary or task.count is not None else {task.count_parameter: count})


def _task(algorithm: str, parameters: Mapping[str, Any]) -> _Task:
    if algorithm.startswith("linear-learner"):
        given = str(parameters.get("predictor_type", ""))
        kind = {"": "", "binary_classifier": "binary", "multiclass_classifier": "multiclass"}.get(given, "number")
        scores = MARGIN if parameters.get("loss") == "hinge_loss" else PROBABILITY
        return _Task(kind, "predictor_type", "num_classes", _count(parameters.get("num_classes")), scores)
    given = str(parameters.get("objective", ""))
    kind = {"": "", "binary": "binary", "multi": "multiclass"}.get(given.partition(":")[0], "number")
    scores = XGBOOST_SCORES.get(given, PROBABILITY)
    return _Task(kind, "objective", "num_class", _count(parameters.get("num_class")), scores)


def _count(value: Any) -> int | None:
    try:
        return int(value)
    except (TypeError, ValueError):
        return None  # is not given, or will be refused with the other parameters


def _examples(column: "pl.Series") -> str:
    return format_names(map(str, column.drop_nulls().unique().sort().head(3)))
