"""evaluation.html: the metrics as a page with plots."""

from collections.abc import Mapping, Sequence
from typing import Any

from lowcloud.runtime.processing import plots
from lowcloud.runtime.processing.evaluate.document import BINARY, MULTICLASS, metrics
from lowcloud.runtime.processing.page import Cell, HtmlPage, TextCell
from lowcloud.runtime.processing.plots import Axes, Line

MATRIX_CLASSES = 30  # up to which the confusion matrix is drawn
UNIT = (0.0, 1.0)
NAMES = {
    "accuracy": ("Accuracy", "share of rows predicted correctly"),
    "balanced_accuracy": ("Balanced accuracy", "recall averaged over the classes"),
    "auc": ("ROC AUC", "probability that a positive row scores above a negative one"),
    "average_precision": ("Average precision", "area under precision and recall"),
    "precision": ("Precision", "share of positive predictions that are correct"),
    "recall": ("Recall", "share of positive rows that are found"),
    "f1": ("F1", "harmonic mean of precision and recall"),
    "log_loss": ("Log-loss", "lower is better"),
    "brier_score": ("Brier score", "lower is better"),
    "matthews_correlation": ("Matthews correlation", "from -1 to 1, 0 is chance"),
    "cohens_kappa": ("Cohen's kappa", "agreement beyond chance"),
    "expected_calibration_error": ("Calibration error", "mean distance from the diagonal"),
    "macro_f1": ("Macro F1", "F1 averaged over the classes"),
    "weighted_f1": ("Weighted F1", "F1 averaged by rows"),
    "auc_one_vs_rest_macro": ("ROC AUC", "each class against the rest"),
    "rmse": ("RMSE", "root of the mean squared error"),
    "mae": ("MAE", "mean absolute error"),
    "r2": ("R²", "share of the variance explained"),
    "mape": ("MAPE", "mean absolute error relative to the truth"),
    "explained_variance": ("Explained variance", "without the bias"),
    "mean_error": ("Mean error", "prediction minus truth"),
    "max_error": ("Largest error", ""),
    "mse": ("MSE", "mean squared error"),
}
KEY_METRICS = {
    BINARY: ("accuracy", "auc", "average_precision", "precision", "recall", "f1", "log_loss", "matthews_correlation"),
    MULTICLASS: (
        "accuracy",
        "balanced_accuracy",
        "macro_f1",
        "weighted_f1",
        "auc_one_vs_rest_macro",
        "log_loss",
        "matthews_correlation",
        "expected_calibration_error",
    ),
}
KEY_REGRESSION_METRICS = ("rmse", "mae", "r2", "explained_variance", "mape", "mean_error", "max_error", "mse")


def draw(document: Mapping[str, Any], title: str) -> str:
    """Return the page of an evaluation."""
    key, group = metrics(document)
    page = HtmlPage(title, _lead(document, key))
    page.numbers(
        [_key_figure(name, group[name]) for name in KEY_METRICS.get(key, KEY_REGRESSION_METRICS) if name in group]
    )
    for sentence in document["warnings"]:
        page.warning(sentence)
    if key == BINARY:
        _draw_binary(page, group, document["classes"])
    elif key == MULTICLASS:
        _draw_multiclass(page, group, document["classes"])
    else:
        _draw_regression(page, group)
    _draw_metrics(page, document, group)
    return page.html()


def _lead(document: Mapping[str, Any], key: str) -> str:
    rows = f"{document['dataset']['item_count']:,} rows"
    if key == BINARY:
        return f"Two classes, {document['classes'][1]} being the positive one; {rows} compared."
    if key == MULTICLASS:
        return f"{len(document['classes'])} classes; {rows} compared."
    return f"Predictions of a number; {rows} compared."


def _key_figure(name: str, entry: Mapping[str, Any]) -> tuple[str, str, str]:
    heading, sentence = NAMES[name]
    interval = entry.get("confidence_interval")
    below = f"{_number(interval[0])} to {_number(interval[1])}" if interval else sentence
    return heading, _number(entry["value"]), below


def _draw_binary(page: HtmlPage, group: Mapping[str, Any], classes: Sequence[str]) -> None:
    figures = [_matrix(group, classes)]
    if "thresholds" in group:
        roc, curve = group["receiver_operating_characteristic_curve"], group["precision_recall_curve"]
        if None not in roc["false_positive_rates"] + roc["true_positive_rates"]:
            area = _number(group["auc"]["value"])
            axes = Axes("False positive rate", "True positive rate", UNIT, UNIT, diagonal=True)
            line = Line("ROC", roc["false_positive_rates"], roc["true_positive_rates"])
            figures.append(_figure("ROC curve", f"Area {area}; the dashed line is chance.", axes, [line]))
        if None not in curve["recalls"]:
            axes = Axes("Recall", "Precision", UNIT, UNIT)
            line = Line("PR", curve["recalls"], curve["precisions"])
            words = f"Average precision {_number(group['average_precision']['value'])}."
            figures.append(_figure("Precision and recall", words, axes, [line]))
        if "calibration_curve" in group:
            figures.append(_calibration(group, "of the positive class"))
        figures += [_scores(group, classes), _thresholds(group["thresholds"]), _gain(group), _lift(group)]
    page.heading("Plots")
    page.plots(figures)
    if "thresholds" in group:
        best = max(group["thresholds"], key=lambda row: row["f1"])
        page.heading("Thresholds", f"Of these, {_number(best['threshold'])} has the largest F1.")
        names = ("threshold", "precision", "recall", "f1", "accuracy", "false_positive_rate", "share")
        head = ["Threshold", "Precision", "Recall", "F1", "Accuracy", "False positive rate", "Rows chosen"]
        page.table(head, [[_number(row[name]) for name in names] for row in group["thresholds"]])


def _draw_multiclass(page: HtmlPage, group: Mapping[str, Any], classes: Sequence[str]) -> None:
    figures = [_matrix(group, classes)] if len(classes) <= MATRIX_CLASSES else []
    rocs, curves = (
        group.get("receiver_operating_characteristic_curves", {}),
        group.get("precision_recall_curves", {}),
    )
    if rocs:
        axes = Axes("False positive rate", "True positive rate", UNIT, UNIT, diagonal=True)
        lines = [Line(name, roc["false_positive_rates"], roc["true_positive_rates"]) for name, roc in rocs.items()]
        figures.append(_figure("ROC curves", "Each class against the rest.", axes, lines))
        axes = Axes("Recall", "Precision", UNIT, UNIT)
        lines = [Line(name, curve["recalls"], curve["precisions"]) for name, curve in curves.items()]
        figures.append(_figure("Precision and recall", "Each class against the rest.", axes, lines))
    if "calibration_curve" in group:
        figures.append(_calibration(group, "of the most likely class"))
    page.heading("Plots")
    page.plots(figures)
    page.heading("Classes")
    names = ["precision", "recall", "f1", *(["auc", "average_precision"] if rocs else []), "support"]
    heads = {"precision": "Precision", "recall": "Recall", "f1": "F1", "auc": "ROC AUC", "support": "Rows"}
    page.table(
        [TextCell("Class"), *(heads.get(name, "Average precision") for name in names)],
        [[TextCell(name), *(_number(entry.get(one)) for one in names)] for name, entry in group["classes"].items()],
    )


def _draw_regression(page: HtmlPage, group: Mapping[str, Any]) -> None:
    truth, predicted = group["points"]["truth"], group["points"]["predicted"]
    errors = [guess - true for true, guess in zip(truth, predicted, strict=True)]
    both = plots.span([*truth, *predicted])
    axes = Axes("Truth", "Prediction", both, both, diagonal=True)
    page.heading("Plots")
    residuals = group["residuals"]
    histogram = plots.histogram(
        "Errors",
        "How errors are distributed.",
        Axes("Prediction minus truth", "Rows", marks=(0.0,)),
        residuals["edges"],
        [("errors", residuals["counts"])],
    )
    shares = {float(share): value for share, value in group["quantiles"].items()}
    sizes = [(f"{share:.0%} of rows", value) for share, value in shares.items()]
    page.plots(
        [
            _figure(
                "Prediction by truth",
                "On the dashed line, predictions are correct.",
                axes,
                [Line("rows", truth, predicted, "dots")],
            ),
            _figure(
                "Errors by prediction",
                "A pattern shows what the model has missed.",
                Axes("Prediction", "Prediction minus truth", levels=(0.0,)),
                [Line("rows", predicted, errors, "dots")],
            ),
            ("Errors", histogram, "The dashed line marks an error of 0."),
            (
                "Size of errors",
                plots.bars("Size of errors", "Absolute error that is not exceeded by a share of rows.", sizes, _number),
                "The absolute error that is not exceeded by this share of rows.",
            ),
        ]
    )


def _matrix(group: Mapping[str, Any], classes: Sequence[str]) -> tuple[str, str, str]:
    counts = [[group["confusion_matrix"][row][column] for column in classes] for row in classes]
    words = "Rows are the truth; percentages are shares of each row."
    return "Confusion matrix", plots.matrix("Confusion matrix", words, classes, counts), words


def _calibration(group: Mapping[str, Any], whose: str) -> tuple[str, str, str]:
    curve = group["calibration_curve"]
    axes = Axes("Predicted probability", "Observed frequency", UNIT, UNIT, diagonal=True)
    lines = [Line("bins", curve["predicted"], curve["observed"])]
    dots = Line("bins", curve["predicted"], curve["observed"], "dots", number=0)
    error = _number(group["expected_calibration_error"]["value"])
    words = f"Probability {whose}; mean distance from the dashed line {error}."
    return "Calibration", plots.lines("Calibration", words, axes, [*lines, dots], has_legend=False), words


def _scores(group: Mapping[str, Any], classes: Sequence[str]) -> tuple[str, str, str]:
    histogram = group["score_histogram"]
    words = "The less they overlap, the better the classes are separated."
    series = [(classes[1], histogram["positive"]), (classes[0], histogram["negative"])]
    svg = plots.histogram("Scores by class", words, Axes("Score", "Rows"), histogram["edges"], series)
    return "Scores by class", svg, words


def _thresholds(table: Sequence[Mapping[str, float]]) -> tuple[str, str, str]:
    x = [row["threshold"] for row in table]
    lines = [
        Line(name, x, [row[key] for row in table])
        for name, key in (("Precision", "precision"), ("Recall", "recall"), ("F1", "f1"))
    ]
    axes = Axes("Threshold", "", (min(x), max(x)) if min(x) < max(x) else None, UNIT)
    return _figure("By threshold", "A row is predicted positive if its score is at least the threshold.", axes, lines)


def _gain(group: Mapping[str, Any]) -> tuple[str, str, str]:
    rows = group["lift"]
    x, gains = [0.0, *(row["share"] for row in rows)], [0.0, *(row["gain"] or 0.0 for row in rows)]
    words = f"The top tenth by score has {_number(rows[0]['lift'])} times the positives of a random tenth."
    axes = Axes("Share of rows, by decreasing score", "Share of positives found", UNIT, UNIT, diagonal=True)
    return _figure("Gain", words, axes, [Line("gain", x, gains)])


def _lift(group: Mapping[str, Any]) -> tuple[str, str, str]:
    values = [(f"top {row['share']:.0%}", row["lift"] or 0.0) for row in group["lift"]]
    words = "How many times more positives the top rows have than as many random rows."
    return "Lift", plots.bars("Lift", words, values, _number), words


def _draw_metrics(page: HtmlPage, document: Mapping[str, Any], group: Mapping[str, Any]) -> None:
    intervals = document["intervals"]
    note = f"Intervals have {intervals['confidence']:.0%} confidence: "
    note += f"bootstrap of {intervals['resamples']} resamples, seed {intervals['seed']}."
    page.heading("All metrics", note if intervals["resamples"] else "")
    rows: list[list[Cell]] = []
    for name, entry in group.items():
        if not isinstance(entry, dict) or "value" not in entry or name.endswith(("_classifier", "_predictor")):
            continue
        interval = entry.get("confidence_interval") or [None, None]
        constant: Mapping[str, Any] = next((group[key] for key in _constants(name) if key in group), {})
        numbers = (entry["value"], entry["standard_deviation"], *interval, constant.get("value"))
        heading, sentence = NAMES.get(name, (_heading(name), ""))
        rows.append([TextCell(heading), *map(_number, numbers), TextCell(sentence)])
    head: list[Cell] = [TextCell("Metric"), "Value", "Deviation", "From", "To", "Best constant", TextCell("")]
    page.table(head, rows)


def _heading(name: str) -> str:
    """Return the heading of a metric: weighted_f0_5 is Weighted F0.5."""
    words = name.replace("f0_5", "F0.5").replace("f1", "F1").replace("f2", "F2").replace("auc", "AUC").replace("_", " ")
    return words[0].upper() + words[1:]


def _constants(name: str) -> tuple[str, str]:
    return f"{name}_best_constant_classifier", f"{name}_best_constant_predictor"


def _figure(title: str, words: str, axes: Axes, lines: Sequence[Line]) -> tuple[str, str, str]:
    return title, plots.lines(title, words, axes, lines), words


def _number(value: float | None) -> str:
    if value is None:
        return "–"
    if value == int(value) and abs(value) < 1e9:
        return f"{int(value):,}"
    if 1000 <= abs(value) < 1e12:
        return f"{value:,.0f}"
    return f"{value:.4f}" if 0.001 <= abs(value) < 1 else f"{value:.4g}"
