"""The settings of a job, derived from hyperparameters: XGBoost's parameters, metrics and the control of rounds."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil

from lowcloud.runtime.algorithms.xgboost import library
from lowcloud.runtime.errors import ClientError
from lowcloud.schemas import Value
from lowcloud.schemas.xgboost import SCHEMA, names, rules

# Handled here, or no longer supported by XGBoost.
NOT_PASSED_ON = {
    "csv_weights",
    "deterministic_histogram",
    "dsplit",
    "early_stopping_rounds",
    "eval_metric",
    "num_round",
    "predictor",
    "prob_buffer_row",
    "save_model_on_termination",
    "silent",
    "single_precision_histogram",
    "sketch_eps",
    "use_dask_gpu_training",
}


@dataclass(frozen=True)
class XGBoostSettings:
    """The validated hyperparameters of one job."""

    values: Mapping[str, Value]  # with defaults
    parameters: tuple[tuple[str, str], ...]  # for XGBoost, without defaults
    own_metrics: tuple[str, ...]
    early_stopping_metric: str | None  # None: the last metric

    @property
    def objective(self) -> str:
        return str(self.values["objective"])

    @property
    def classes(self) -> int:
        """The number of classes; 0 for regression and ranking."""
        if self.objective.startswith("multi:"):
            return int(self.values["num_class"])
        return 2 if self.objective.startswith(("binary:", "reg:logistic")) else 0

    @property
    def rounds(self) -> int:
        return int(self.values["num_round"])

    @property
    def patience(self) -> int | None:
        """early_stopping_rounds."""
        rounds = self.values.get("early_stopping_rounds")
        return None if rounds is None else int(rounds)

    @property
    def threads(self) -> int:
        """The number of threads; 0 means all processors."""
        return int(self.values.get("nthread", 0))


def read_settings(texts: Mapping[str, str]) -> XGBoostSettings:
    """Read the settings of a job. Raises InvalidHyperparametersError, and ClientError if GPUs are not supported."""
    values, given = SCHEMA.validate(texts), SCHEMA.given(texts)
    requested = list(dict.fromkeys([*rules.parse_list(given.get("eval_metric")), *rules.tuning_metrics(values)]))
    own = tuple(name for name in requested if name in names.OWN_METRICS)
    parameters = [
        (name, _text(value)) for name, value in given.items() if name not in NOT_PASSED_ON and not name.startswith("_")
    ]
    parameters += [("eval_metric", name) for name in requested if name not in own]
    changed = dict(_changes(values))
    kept = [(name, text) for name, text in parameters if name not in changed]
    return XGBoostSettings(values, (*kept, *changed.items()), own, requested[-1] if requested else None)


def _changes(values: Mapping[str, Value]) -> list[tuple[str, str]]:
    """Return the parameters that current versions of XGBoost expect under other names or in other forms."""
    changed = [("verbosity", "0" if values["silent"] else str(values["verbosity"]))]
    if values["objective"] == "reg:linear":
        changed.append(("objective", "reg:squarederror"))
    if values["tree_method"] == "gpu_hist":
        if not library.has_gpu_support():
            raise ClientError(
                "tree_method gpu_hist needs a build of XGBoost with CUDA, which is not installed. Use tree_method "
                "hist, or install the package xgboost instead of xgboost-cpu."
            )
        changed += [("tree_method", "hist"), ("device", "cuda")]
    if values["tree_method"] == "approx" and "sketch_eps" in values:
        changed.append(("max_bin", str(ceil(1 / float(values["sketch_eps"])))))
    if "monotone_constraints" in values:
        signs = rules.parse_monotone_constraints(str(values["monotone_constraints"]))
        changed.append(("monotone_constraints", f"({','.join(map(str, signs))})"))
    if "interaction_constraints" in values:
        groups = rules.parse_interaction_constraints(str(values["interaction_constraints"]))
        changed.append(("interaction_constraints", json.dumps(groups)))
    return changed


def _text(value: Value) -> str:
    return str(int(value)) if isinstance(value, bool) else str(value)
