"""The names of xgboost's objectives, metrics and updaters."""

OBJECTIVES = (
    "reg:squarederror",
    "reg:linear",  # the name of reg:squarederror before 0.90
    "reg:squaredlogerror",
    "reg:logistic",
    "reg:pseudohubererror",
    "reg:absoluteerror",
    "reg:quantileerror",
    "reg:gamma",
    "reg:tweedie",
    "binary:logistic",
    "binary:logitraw",
    "binary:hinge",
    "count:poisson",
    "multi:softmax",
    "multi:softprob",
    "rank:pairwise",
    "rank:ndcg",
    "rank:map",
    "survival:aft",
    "survival:cox",
)
MAXIMIZED = (
    "accuracy",
    "auc",
    "aucpr",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "map",
    "ndcg",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
)
MINIMIZED = (
    "aft-nloglik",
    "cox-nloglik",
    "error",
    "gamma-deviance",
    "gamma-nloglik",
    "interval-regression-accuracy",
    "logloss",
    "mae",
    "mape",
    "merror",
    "mlogloss",
    "mphe",
    "mse",
    "poisson-nloglik",
    "quantile",
    "rmse",
    "rmsle",
    "tweedie-nloglik",
)
# Metrics that XGBoost does not have; runtime/algorithms/xgboost/metrics.py computes them.
OWN_METRICS = (
    "accuracy",
    "balanced_accuracy",
    "f1",
    "f1_binary",
    "f1_macro",
    "mse",
    "precision",
    "precision_macro",
    "precision_micro",
    "r2",
    "recall",
    "recall_macro",
    "recall_micro",
)
CLASSIFICATION_METRICS = tuple(name for name in OWN_METRICS if name not in ("mse", "r2"))
PARAMETRISED_METRICS = ("error", "ndcg", "map", "pre", "tweedie-nloglik")  # metrics with a parameter, as in ndcg@5
GROWERS = ("grow_colmaker", "grow_histmaker", "grow_quantile_histmaker")
TREE_UPDATERS = (*GROWERS, "refresh", "prune", "sync")
LINEAR_UPDATERS = ("shotgun", "coord_descent")
