"""Rules between the hyperparameters of xgboost, and the parsing of lists in their values."""

import json
from collections.abc import Mapping
from math import isfinite

from lowcloud.schemas import Value
from lowcloud.schemas.xgboost.names import (
    CLASSIFICATION_METRICS,
    GROWERS,
    LINEAR_UPDATERS,
    MAXIMIZED,
    MINIMIZED,
    PARAMETRISED_METRICS,
    TREE_UPDATERS,
)


def parse_list(text: Value | None) -> list[str]:
    """Parse a comma-separated list, ignoring brackets and quotes."""
    entries = str(text or "").strip().strip("[]()").split(",")
    return [word for entry in entries if (word := entry.strip().strip("'\""))]


def parse_monotone_constraints(text: str) -> list[int]:
    """Parse the signs of monotone_constraints. Raises ValueError."""
    signs = [int(word) for word in parse_list(text)]
    if not signs or set(signs) - {-1, 0, 1}:
        raise ValueError(text)
    return signs


def parse_interaction_constraints(text: str) -> list[list[int]]:
    """Parse the groups of interaction_constraints. Raises ValueError."""
    found = json.loads(text)
    if not isinstance(found, list) or not all(isinstance(group, list) and group for group in found):
        raise ValueError(text)
    if not all(type(column) is int and column >= 0 for group in found for column in group):
        raise ValueError(text)
    return found


def _classes_fit_objective(values: Mapping[str, Value]) -> str | None:
    objective, is_given = str(values.get("objective", "")), "num_class" in values
    if objective.startswith("multi:") and not is_given:
        return f"Hyperparameter num_class is required by objective {objective}: an integer from 2."
    if is_given and not objective.startswith("multi:"):
        return f"Hyperparameter num_class is not valid for objective {objective}: use multi:softmax or multi:softprob."
    return None


def _metrics_are_known(values: Mapping[str, Value]) -> str | None:
    for name in parse_list(values.get("eval_metric")):
        if not _is_metric(name):
            known = ", ".join(sorted({*MAXIMIZED, *MINIMIZED}))
            return (
                f"Hyperparameter eval_metric has {name[:40]!r}; it may have {known}, and "
                f"{', '.join(PARAMETRISED_METRICS)} with a number "
                "after @."
            )
    return None


def _is_metric(name: str) -> bool:
    stem, at, number = name.partition("@")
    if not at:
        return name in MAXIMIZED or name in MINIMIZED
    try:
        return stem in PARAMETRISED_METRICS and isfinite(float(number.removesuffix("-")))
    except ValueError:
        return False


def _metrics_fit_objective(values: Mapping[str, Value]) -> str | None:
    objective = str(values.get("objective", ""))
    for name in (*parse_list(values.get("eval_metric")), *tuning_metrics(values)):
        stem = name.partition("@")[0]
        if stem == "auc" and not objective.startswith(("binary:", "rank:", "multi:softprob", "reg:logistic")):
            return f"Hyperparameter eval_metric auc is for classes and ranks, not for objective {objective}."
        if stem == "aft-nloglik" and objective != "survival:aft":
            return f"Hyperparameter eval_metric aft-nloglik is for objective survival:aft, not for {objective}."
        if stem in CLASSIFICATION_METRICS and not objective.startswith(("binary:", "multi:", "reg:logistic")):
            return f"Hyperparameter eval_metric {stem} is for classes, not for objective {objective}."
        if stem in ("f1_binary", "precision", "recall") and objective.startswith("multi:"):
            return f"Hyperparameter eval_metric {stem} is for two classes: use {stem.removesuffix('_binary')}_macro."
        if stem in ("merror", "mlogloss") and not objective.startswith("multi:"):
            return f"Hyperparameter eval_metric {stem} is for objectives multi:softmax and multi:softprob."
    return None


def tuning_metrics(values: Mapping[str, Value]) -> list[str]:
    """Return the metrics of a tuning job: "validation:auc" -> auc."""
    return parse_list(str(values.get("_tuning_objective_metric", "")).rpartition(":")[2])


def _tuned_is_known(values: Mapping[str, Value]) -> str | None:
    text = values.get("_tuning_objective_metric")
    bad = next((name for name in tuning_metrics(values) if not _is_metric(name)), None)
    return f"Hyperparameter _tuning_objective_metric {text!r} is not a metric of this algorithm." if bad else None


def _updater_fits(values: Mapping[str, Value]) -> str | None:
    steps = parse_list(values.get("updater"))
    if not steps:
        return None
    if values.get("booster") == "gblinear":
        fits, which = len(steps) == 1 and steps[0] in LINEAR_UPDATERS, f"one of {', '.join(LINEAR_UPDATERS)}"
    elif values.get("process_type") == "update":
        fits, which = not set(steps) - {"refresh", "prune"}, "refresh, prune or both if process_type is update"
    else:
        fits = not set(steps) - set(TREE_UPDATERS) and len(set(steps) & set(GROWERS)) < 2
        which = f"of {', '.join(TREE_UPDATERS)}, and at most one grow_ updater"
    return None if fits else f"Hyperparameter updater must be {which}, not {values['updater']!r}."


def _constraints_are_valid(values: Mapping[str, Value]) -> str | None:
    for name, read, example in (
        ("monotone_constraints", parse_monotone_constraints, "(1, 0, -1)"),
        ("interaction_constraints", parse_interaction_constraints, "[[0, 1], [2, 3, 4]]"),
    ):
        if name not in values:
            continue
        try:
            read(str(values[name]))
        except ValueError:
            return f"Hyperparameter {name} must look like {example!r}, not {str(values[name])[:80]!r}."
        if values.get("booster") == "gblinear":
            return f"Hyperparameter {name} is for trees, not for booster gblinear."
    return None


def _needs_another(values: Mapping[str, Value]) -> str | None:
    objective = values.get("objective")
    if objective == "reg:quantileerror" and "quantile_alpha" not in values:
        return "Hyperparameter quantile_alpha is required by objective reg:quantileerror: a number from 0 and up to 1."
    if values.get("process_type") == "update" and "updater" not in values:
        return "Hyperparameter updater is required if process_type is update: refresh, prune or both."
    if values.get("grow_policy") == "lossguide" and values.get("tree_method") == "exact":
        return "Hyperparameter grow_policy lossguide needs tree_method hist or approx."
    if values.get("colsample_bynode", 1) != 1 and values.get("tree_method") == "exact":
        return "Hyperparameter colsample_bynode needs tree_method hist or approx."
    if values.get("use_dask_gpu_training") is True:
        return "Hyperparameter use_dask_gpu_training is not supported: use tree_method gpu_hist."
    return None


RULES = (
    _classes_fit_objective,
    _metrics_are_known,
    _metrics_fit_objective,
    _tuned_is_known,
    _updater_fits,
    _constraints_are_valid,
    _needs_another,
)
