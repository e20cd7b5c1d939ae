"""The hyperparameters of xgboost, from SageMaker's and XGBoost's documentation, with XGBoost's defaults."""

from math import inf

from lowcloud.schemas import Hyperparameter
from lowcloud.schemas.xgboost.names import OBJECTIVES


def _choice(name: str, words: tuple[str, ...], default: str | None, doc: str) -> Hyperparameter:
    return Hyperparameter(name, "choice", doc, default, words=words)


def _integer(name: str, minimum: int, default: int | None, doc: str, tunable: bool = False) -> Hyperparameter:
    return Hyperparameter(name, "integer", doc, default, minimum=minimum, tunable=tunable)


def _switch(name: str, default: int, doc: str) -> Hyperparameter:
    return Hyperparameter(name, "integer", doc, default, minimum=0, maximum=1)


def _number(
    name: str, default: float | None, doc: str, tunable: bool = False, maximum: float = inf, alias: str = ""
) -> Hyperparameter:
    return Hyperparameter(name, "number", doc, default, minimum=0, maximum=maximum, tunable=tunable, alias=alias)


def _share(name: str, doc: str) -> Hyperparameter:
    return Hyperparameter(name, "number", doc, 1.0, minimum=0, maximum=1, open_minimum=True, tunable=True)


HYPERPARAMETERS = (
    Hyperparameter("num_round", "integer", "Rounds of boosting.", required=True, minimum=1, tunable=True),
    _integer(
        "num_class", 2, None, "Number of classes; required by, and only valid for, multi:softmax and multi:softprob."
    ),
    _number("alpha", 0.0, "L1 penalty of the leaves' weights.", tunable=True, alias="reg_alpha"),
    Hyperparameter("base_score", "number", "Prediction before the first round; by default estimated from the labels."),
    _choice("booster", ("gbtree", "gblinear", "dart"), "gbtree", "Trees, a linear model, or trees with dropout."),
    _share("colsample_bylevel", "Share of the features sampled for each level of a tree."),
    _share("colsample_bynode", "Share of the features sampled for each node."),
    _share("colsample_bytree", "Share of the features sampled for each tree."),
    _switch("csv_weights", 0, "1: the second column of training CSV is the weight of the row."),
    Hyperparameter("deterministic_histogram", "boolean", "Deterministic histograms on a GPU; always on.", True),
    _choice("dsplit", ("row",), "row", "Rows are distributed over hosts."),
    _integer(
        "early_stopping_rounds",
        1,
        None,
        "Stop after so many rounds without improvement of the last metric of channel validation.",
    ),
    Hyperparameter(
        "eta",
        "number",
        "Factor of each round's weights.",
        0.3,
        minimum=0,
        maximum=1,
        tunable=True,
        alias="learning_rate",
    ),
    Hyperparameter("eval_metric", "text", "Metrics, comma-separated; by default that of the objective."),
    _number("gamma", 0.0, "Minimum gain of a split.", tunable=True, alias="min_split_loss"),
    _choice("grow_policy", ("depthwise", "lossguide"), "depthwise", "Which node is split next; for hist and approx."),
    Hyperparameter(
        "huber_slope", "number", "Slope parameter of reg:pseudohubererror.", 1.0, minimum=0, open_minimum=True
    ),
    Hyperparameter(
        "interaction_constraints",
        "text",
        'Groups of features that may be used in the same branch, as in "[[0, 1], [2, 3, 4]]".',
    ),
    _number("lambda", 1.0, "L2 penalty of the leaves' weights.", tunable=True, alias="reg_lambda"),
    _number("lambda_bias", 0.0, "L2 penalty of gblinear's bias.", maximum=1),
    _integer("max_bin", 2, 256, "Bins per feature; for hist and approx."),
    _number("max_delta_step", 0.0, "Maximum weight of a leaf; 0 means no limit.", tunable=True),
    _integer("max_depth", 0, 6, "Maximum depth of a tree; 0 means no limit.", tunable=True),
    _integer("max_leaves", 0, 0, "Maximum number of leaves of a tree; 0 means no limit."),
    _number("min_child_weight", 1.0, "Minimum sum of second derivatives in a leaf.", tunable=True),
    Hyperparameter(
        "monotone_constraints", "text", 'For each feature 1 (increasing), -1 (decreasing) or 0, as in "(1, 0, -1)".'
    ),
    _choice("normalize_type", ("tree", "forest"), "tree", "How dart weights a new tree relative to the dropped ones."),
    _integer("nthread", 1, None, "Number of threads; by default all processors."),
    _integer("num_parallel_tree", 1, 1, "Trees per round."),
    _choice("objective", OBJECTIVES, "reg:squarederror", "What is predicted, and its loss."),
    _switch("one_drop", 0, "1: dart drops at least one tree in every round."),
    _choice(
        "predictor", ("auto", "cpu_predictor", "gpu_predictor"), "auto", "Accepted for compatibility; has no effect."
    ),
    _integer("prob_buffer_row", 2, None, "Accepted for compatibility; has no effect."),
    _choice("process_type", ("default", "update"), "default", "update: refresh or prune the trees of channel model."),
    Hyperparameter("quantile_alpha", "number", "The quantile of reg:quantileerror.", minimum=0, maximum=1),
    _number("rate_drop", 0.0, "Share of trees that dart drops.", maximum=1),
    _switch("refresh_leaf", 1, "1: the updater refresh also updates leaves, 0: only statistics."),
    _choice("sample_type", ("uniform", "weighted"), "uniform", "How dart samples the trees to drop."),
    _choice("sampling_method", ("uniform", "gradient_based"), "uniform", "How subsample samples rows."),
    Hyperparameter("save_model_on_termination", "boolean", "Keep a stopped job's model; always on.", False),
    Hyperparameter(
        "scale_pos_weight", "number", "Weight of class 1 relative to class 0.", 1.0, minimum=0, open_minimum=True
    ),
    Hyperparameter("seed", "integer", "Random seed.", 0, minimum=-(2**31) + 1, maximum=2**31 - 2),
    Hyperparameter("single_precision_histogram", "boolean", "Accepted for compatibility; has no effect.", False),
    Hyperparameter(
        "sketch_eps",
        "number",
        "For approx: about 1 / sketch_eps bins, if max_bin is not set.",
        minimum=0,
        maximum=1,
        open_minimum=True,
        open_maximum=True,
    ),
    _switch("silent", 0, "1: verbosity 0; for release 0.72."),
    _number("skip_drop", 0.0, "Probability that dart drops nothing in a round.", maximum=1),
    _share("subsample", "Share of the rows sampled for each tree."),
    _choice(
        "tree_method", ("auto", "exact", "approx", "hist", "gpu_hist"), "auto", "How splits are found; auto is hist."
    ),
    Hyperparameter(
        "tweedie_variance_power",
        "number",
        "Power of the variance of reg:tweedie: close to 2 gamma, close to 1 Poisson.",
        1.5,
        minimum=1,
        maximum=2,
        open_minimum=True,
        open_maximum=True,
    ),
    Hyperparameter(
        "updater", "text", "Steps that build or change trees, comma-separated; by default determined by tree_method."
    ),
    Hyperparameter("use_dask_gpu_training", "boolean", "Not supported: use tree_method gpu_hist.", False),
    Hyperparameter(
        "verbosity",
        "integer",
        "0 silent, 1 warnings, 2 information, 3 debug messages of XGBoost.",
        1,
        minimum=0,
        maximum=3,
    ),
    _choice(
        "aft_loss_distribution",
        ("normal", "logistic", "extreme"),
        "normal",
        "Distribution of the noise of survival:aft.",
    ),
    _number("aft_loss_distribution_scale", 1.0, "Scale of the noise of survival:aft."),
    _integer("_kfold", 2, None, "Folds of a cross-validation; the model of each is stored."),
    _integer("_num_cv_round", 1, 1, "Number of repetitions of the cross-validation."),
    Hyperparameter(
        "_tuning_objective_metric", "text", "Set by tuning jobs: validation:METRIC, which is also computed."
    ),
)
