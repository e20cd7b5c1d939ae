"""The catalogue entry of linear-learner, with the hyperparameters of SageMaker's documentation."""

from collections.abc import Mapping

from lowcloud.schemas import AUTO, Hyperparameter, Schema, Value
from lowcloud.schemas.algorithm import Algorithm, Metric

LOSSES = {  # the first is the default, `auto`
    "binary_classifier": ("logistic", "hinge_loss"),
    "multiclass_classifier": ("softmax_loss",),
    "regressor": (
        "squared_loss",
        "absolute_loss",
        "eps_insensitive_squared_loss",
        "eps_insensitive_absolute_loss",
        "quantile_loss",
        "huber_loss",
    ),
}
CRITERIA = (
    "accuracy",
    "f1",
    "f_beta",
    "precision_at_target_recall",
    "recall_at_target_precision",
    "cross_entropy_loss",
    "loss_function",
)


def _choice(name: str, words: tuple[str, ...], doc: str, default: str | None = None) -> Hyperparameter:
    return Hyperparameter(name, "choice", doc, default, required=default is None, words=words)


def _boolean(
    name: str, default: bool | str, doc: str, words: tuple[str, ...] = (), tunable: bool = False
) -> Hyperparameter:
    return Hyperparameter(name, "boolean", doc, default, words=words, tunable=tunable)


def _integer(name: str, default: int | str | None, doc: str, tunable: bool = False) -> Hyperparameter:
    words = (AUTO,) if default == AUTO else ()
    return Hyperparameter(name, "integer", doc, default, minimum=1, words=words, tunable=tunable)


def _positive(name: str, default: float | str, doc: str, tunable: bool = False) -> Hyperparameter:
    words = (AUTO,) if default == AUTO else ()
    return Hyperparameter(name, "number", doc, default, minimum=0, open_minimum=True, words=words, tunable=tunable)


def _penalty(name: str, doc: str, tunable: bool = True) -> Hyperparameter:
    return Hyperparameter(name, "number", doc, AUTO, minimum=0, words=(AUTO,), tunable=tunable)


def _decay(name: str, doc: str) -> Hyperparameter:
    return Hyperparameter(name, "number", doc, AUTO, minimum=0, maximum=1, open_maximum=True, words=(AUTO,))


def _share(name: str, default: float | str, doc: str) -> Hyperparameter:
    words = (AUTO,) if default == AUTO else ()
    return Hyperparameter(
        name, "number", doc, default, minimum=0, maximum=1, open_minimum=True, open_maximum=True, words=words
    )


HYPERPARAMETERS = (
    _choice("predictor_type", tuple(LOSSES), "What is predicted: one of two classes, one of many, or a number."),
    _integer("feature_dim", AUTO, "Features per row; auto determines them from the data."),
    Hyperparameter("num_classes", "integer", "Classes of a multiclass_classifier.", minimum=3, maximum=1_000_000),
    _integer("accuracy_top_k", 3, "k of the metric multiclass_top_k_accuracy."),
    _boolean("balance_multiclass_weights", False, "Give every class the same weight in the loss."),
    _decay("beta_1", "Decay of adam's first moment."),
    _decay("beta_2", "Decay of adam's second moment."),
    _positive("bias_lr_mult", AUTO, "Learning rate of the bias, as a multiple of learning_rate."),
    _penalty("bias_wd_mult", "L2 penalty of the bias, as a multiple of wd; auto is 0.", tunable=False),
    _choice(
        "binary_classifier_model_selection_criteria",
        CRITERIA,
        "Criterion by which the best model is selected.",
        "accuracy",
    ),
    _integer("early_stopping_patience", 3, "Epochs without improvement before training ends."),
    _positive("early_stopping_tolerance", 0.001, "Relative improvement that counts as one."),
    _integer("epochs", 15, "Maximum number of passes over the training data."),
    _positive("f_beta", 1.0, "beta of the F score."),
    _positive("huber_delta", 1.0, "Error at which huber_loss changes from squared to linear."),
    Hyperparameter("init_bias", "number", "Initial bias.", 0.0),
    _choice("init_method", ("uniform", "normal"), "Distribution of the initial weights.", "uniform"),
    _positive("init_scale", 0.07, "Half width of the uniform initial distribution."),
    _positive("init_sigma", 0.01, "Standard deviation of the normal initial distribution."),
    _penalty("l1", "L1 penalty of the weights."),
    _positive("learning_rate", AUTO, "Step size of sgd, adam and rmsprop.", tunable=True),
    _choice(
        "loss", (AUTO, *(loss for losses in LOSSES.values() for loss in losses)), "Loss that training minimises.", AUTO
    ),
    _positive("loss_insensitivity", 0.01, "Errors below this do not count in the eps_insensitive losses."),
    _share("lr_scheduler_factor", AUTO, "Factor of the learning rate at each scheduler step."),
    _positive("lr_scheduler_minimum_lr", AUTO, "Minimum learning rate."),
    _integer("lr_scheduler_step", AUTO, "Updates between scheduler steps."),
    _positive("margin", 1.0, "Margin of hinge_loss."),
    _integer("mini_batch_size", 1000, "Rows per update of sgd, adam and rmsprop.", tunable=True),
    _decay("momentum", "Momentum of sgd."),
    _boolean("normalize_data", True, "Scale features to unit deviation; unbias_data shifts them.", (AUTO,)),
    _boolean("normalize_label", AUTO, "Scale and shift a regressor's label; auto means true.", (AUTO,)),
    _integer("num_calibration_samples", AUTO, "Rows for selecting the threshold; auto means all."),
    _integer("num_models", AUTO, "Models trained together, the best of which is kept."),
    _integer("num_point_for_scaler", 10_000, "Rows from which means and deviations are computed."),
    _choice("optimizer", (AUTO, "sgd", "adam", "rmsprop"), "How the loss is minimised.", AUTO),
    Hyperparameter(
        "positive_example_weight_mult",
        "number",
        "Weight of class 1 relative to class 0; balanced equalises their sums, auto tries several.",
        1.0,
        minimum=0,
        open_minimum=True,
        words=("balanced", AUTO),
        tunable=True,
    ),
    _share("quantile", 0.5, "Quantile that quantile_loss predicts."),
    _share("target_precision", 0.8, "Precision to reach if the criterion is recall_at_target_precision."),
    _share("target_recall", 0.8, "Recall to reach if the criterion is precision_at_target_recall."),
    _boolean("unbias_data", AUTO, "Shift features to mean 0; auto means true if there is a bias.", (AUTO,)),
    _boolean("unbias_label", AUTO, "Shift a regressor's label to mean 0; auto means true if there is a bias.", (AUTO,)),
    _boolean("use_bias", True, "Whether the model has an intercept.", tunable=True),
    _boolean("use_lr_scheduler", True, "Whether the learning rate of sgd, adam and rmsprop decreases."),
    _penalty("wd", "L2 penalty of the weights."),
    Hyperparameter("_tuning_objective_metric", "text", "Set by tuning jobs; num_models is then 1."),
)


def _multiclass_needs_classes(values: Mapping[str, Value]) -> str | None:
    if values.get("predictor_type") == "multiclass_classifier" and "num_classes" not in values:
        return "Hyperparameter num_classes is required by multiclass_classifier: an integer from 3 and up to 1000000."
    return None


def _loss_fits_predictor(values: Mapping[str, Value]) -> str | None:
    predictor, loss = values.get("predictor_type"), values.get("loss", AUTO)
    allowed = LOSSES.get(str(predictor))
    if allowed is None or loss in (AUTO, *allowed):
        return None
    return f"Hyperparameter loss of a {predictor} must be one of auto, {', '.join(allowed)}, not {loss!r}."


SCHEMA = Schema(HYPERPARAMETERS, (_multiclass_needs_classes, _loss_fits_predictor))

LOSS_LINES = {"mse": "mse", "absolute_loss": "absolute_loss"}
SCORE_LINES = {
    "binary_classification_accuracy": "binary_classification_accuracy",
    "binary_f_beta": r"binary_f_\S+",
    "precision": "precision",
    "recall": "recall",
    "roc_auc_score": "roc_auc_score",
    "multiclass_accuracy": "multiclass_accuracy",
    "multiclass_top_k_accuracy": r"multiclass_top_k_accuracy_\S+",
    "dcg": "dcg",
    "macro_recall": "macro_recall",
    "macro_precision": "macro_precision",
    "macro_f_beta": r"macro_f_\S+",
}


def _metrics() -> tuple[Metric, ...]:
    metrics = [
        Metric("train:progress", r"#progress_metric: host=\S+, completed (\S+) %"),
        Metric("train:throughput", r"#throughput_metric: host=\S+, train throughput=(\S+) records/second"),
    ]
    for channel in ("train", "validation", "test"):
        line = rf"#quality_metric: host=\S+, {channel}"
        final = "objective_loss" if channel == "test" else "objective_loss:final"
        metrics.append(Metric(f"{channel}:{final}", rf"{line} \S+_objective <loss>=(\S+)"))
        if channel != "test":
            epoch = rf"#quality_metric: host=\S+, epoch=\S+, {channel} \S+_objective <loss>=(\S+)"
            metrics.append(Metric(f"{channel}:objective_loss", epoch))
        metrics += [Metric(f"{channel}:{name}", rf"{line} {found} <loss>=(\S+)") for name, found in LOSS_LINES.items()]
        metrics += [
            Metric(f"{channel}:{name}", rf"{line} {found} <score>=(\S+)") for name, found in SCORE_LINES.items()
        ]
    return tuple(metrics)


ALGORITHM = Algorithm(
    name="linear-learner",
    images=("linear-learner",),
    train_command=("python", "-m", "lowcloud.runtime.training.train", "linear-learner"),
    serve_command=("python", "-m", "lowcloud.runtime.serving.serve", "linear-learner"),
    schema=SCHEMA,
    metrics=_metrics(),
)
