"""Hyperparameters of xgboost, after SageMaker's page on them and XGBoost's own, whose defaults hold."""

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
    name: str, default: float | None, doc: str, tunable: bool = False, maximum: float = inf, other_name: str = ""
) -> Hyperparameter:
    return Hyperparameter(
        name, "number", doc, default, minimum=0, maximum=maximum, tunable=tunable, other_name=other_name
    )


def _share(name: str, doc: str) -> Hyperparameter:
    return Hyperparameter(name, "number", doc, 1.0, minimum=0, maximum=1, open_minimum=True, tunable=True)


HYPERPARAMETERS = (
    Hyperparameter("num_round", "integer", "Rounds of boosting.", required=True, minimum=1, tunable=True),
    _integer("num_class", 2, None, "Classes; required by multi:softmax and multi:softprob, and for them alone."),
    _number("alpha", 0.0, "L1 penalty of the leaves' weights.", tunable=True, other_name="reg_alpha"),
    Hyperparameter("base_score", "number", "Prediction before the first round; else estimated from the labels."),
    _choice("booster", ("gbtree", "gblinear", "dart"), "gbtree", "Trees, a linear model, or trees with dropout."),
    _share("colsample_bylevel", "Share of the features drawn for each level of a tree."),
    _share("colsample_bynode", "Share of the features drawn for each node."),
    _share("colsample_bytree", "Share of the features drawn for each tree."),
    _switch("csv_weights", 0, "1: the second column of CSV for training is the weight of the row."),
    Hyperparameter("deterministic_histogram", "boolean", "Histograms on a GPU in one order; they always are.", True),
    _choice("dsplit", ("row",), "row", "Several hosts each hold rows."),
    _integer("early_stopping_rounds", 1, None, "Rounds without a better last metric of channel validation to stop."),
    Hyperparameter(
        "eta",
        "number",
        "What each round's weights are multiplied with.",
        0.3,
        minimum=0,
        maximum=1,
        tunable=True,
        other_name="learning_rate",
    ),
    Hyperparameter("eval_metric", "text", "Metrics, separated by commas; else the one of the objective."),
    _number("gamma", 0.0, "Least gain of a split.", tunable=True, other_name="min_split_loss"),
    _choice("grow_policy", ("depthwise", "lossguide"), "depthwise", "Which node is split next; of hist and approx."),
    Hyperparameter("huber_slope", "number", "Where reg:pseudohubererror bends.", 1.0, minimum=0, open_minimum=True),
    Hyperparameter(
        "interaction_constraints", "text", 'Groups of features that may meet in a branch, as in "[[0, 1], [2, 3, 4]]".'
    ),
    _number("lambda", 1.0, "L2 penalty of the leaves' weights.", tunable=True, other_name="reg_lambda"),
    _number("lambda_bias", 0.0, "L2 penalty of gblinear's bias.", maximum=1),
    _integer("max_bin", 2, 256, "Bins of a feature; of hist and approx."),
    _number("max_delta_step", 0.0, "Most that a leaf's weight may be; 0 is no limit.", tunable=True),
    _integer("max_depth", 0, 6, "Depth of a tree; 0 is no limit.", tunable=True),
    _integer("max_leaves", 0, 0, "Leaves of a tree; 0 is no limit."),
    _number("min_child_weight", 1.0, "Least sum of second derivatives in a leaf.", tunable=True),
    Hyperparameter("monotone_constraints", "text", 'For each feature 1 (rising), -1 (falling), 0, as in "(1, 0, -1)".'),
    _choice("normalize_type", ("tree", "forest"), "tree", "How dart weighs a new tree against the dropped ones."),
    _integer("nthread", 1, None, "Threads; else all processors there are."),
    _integer("num_parallel_tree", 1, 1, "Trees of a round."),
    _choice("objective", OBJECTIVES, "reg:squarederror", "What is predicted, and the loss of it."),
    _switch("one_drop", 0, "1: dart drops a tree in every round at least."),
    _choice("predictor", ("auto", "cpu_predictor", "gpu_predictor"), "auto", "Kept for older jobs: it has no effect."),
    _integer("prob_buffer_row", 2, None, "Kept for older jobs: it has no effect."),
    _choice("process_type", ("default", "update"), "default", "update: refresh or prune the trees of channel model."),
    Hyperparameter("quantile_alpha", "number", "The quantile of reg:quantileerror.", minimum=0, maximum=1),
    _number("rate_drop", 0.0, "Share of trees that dart drops.", maximum=1),
    _switch("refresh_leaf", 1, "1: the updater refresh renews leaves too, 0: statistics alone."),
    _choice("sample_type", ("uniform", "weighted"), "uniform", "How dart draws the trees to drop."),
    _choice("sampling_method", ("uniform", "gradient_based"), "uniform", "How subsample draws rows."),
    Hyperparameter("save_model_on_termination", "boolean", "Keep a stopped job's model; it always is.", False),
    Hyperparameter(
        "scale_pos_weight", "number", "Weight of class 1 against class 0.", 1.0, minimum=0, open_minimum=True
    ),
    Hyperparameter("seed", "integer", "Seed of everything drawn.", 0, minimum=-(2**31) + 1, maximum=2**31 - 2),
    Hyperparameter("single_precision_histogram", "boolean", "Kept for older jobs: it has no effect.", False),
    Hyperparameter(
        "sketch_eps",
        "number",
        "Of approx: about 1 / sketch_eps bins, where max_bin is not given.",
        minimum=0,
        maximum=1,
        open_minimum=True,
        open_maximum=True,
    ),
    _switch("silent", 0, "1: verbosity 0; of release 0.72."),
    _number("skip_drop", 0.0, "Probability that dart drops nothing in a round.", maximum=1),
    _share("subsample", "Share of the rows drawn for each tree."),
    _choice(
        "tree_method", ("auto", "exact", "approx", "hist", "gpu_hist"), "auto", "How splits are sought; auto is hist."
    ),
    Hyperparameter(
        "tweedie_variance_power",
        "number",
        "Power of the variance of reg:tweedie: towards 2 gamma, towards 1 Poisson.",
        1.5,
        minimum=1,
        maximum=2,
        open_minimum=True,
        open_maximum=True,
    ),
    Hyperparameter("updater", "text", "Steps that build or change trees, with commas; else tree_method decides."),
    Hyperparameter("use_dask_gpu_training", "boolean", "true is refused: use tree_method gpu_hist.", False),
    Hyperparameter(
        "verbosity",
        "integer",
        "0 silent, 1 warnings, 2 information, 3 all that XGBoost has to say.",
        1,
        minimum=0,
        maximum=3,
    ),
    _choice("aft_loss_distribution", ("normal", "logistic", "extreme"), "normal", "Of the noise of survival:aft."),
    _number("aft_loss_distribution_scale", 1.0, "Scale of the noise of survival:aft."),
    _integer("_kfold", 2, None, "Folds of a cross-validation: a model of each is stored."),
    _integer("_num_cv_round", 1, 1, "How often the cross-validation is repeated."),
    Hyperparameter("_tuning_objective_metric", "text", "Set by tuning jobs: validation:METRIC, computed too."),
)
