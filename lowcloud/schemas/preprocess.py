"""Arguments of the built-in processing program `preprocess`; docs/processing-programs.md has the table."""

from collections.abc import Mapping

from lowcloud.schemas import Hyperparameter, Schema, Value, csv_arguments
from lowcloud.schemas.arguments import build_pairs_rule, parse_names, parse_pairs
from lowcloud.schemas.expressions import InvalidExpressionError, parse_assignments

KINDS = ("number", "text", "time", "boolean")
IMPUTE_NUMBERS = ("median", "mean", "most_frequent", "constant", "none")
IMPUTE_TEXTS = ("level", "most_frequent", "constant")
NORMALISE = ("standard", "min_max", "robust", "none")
ENCODE = ("auto", "one_hot", "ordinal", "target", "hash", "drop")
DATE_PARTS = ("year", "month", "day", "weekday", "yearday", "hour", "minute", "days")


def _choice(name: str, words: tuple[str, ...], default: str, doc: str) -> Hyperparameter:
    return Hyperparameter(name, "choice", doc, default, words=words)


def _text(name: str, doc: str, default: str | None = None) -> Hyperparameter:
    return Hyperparameter(name, "text", doc, default)


def _boolean(name: str, default: bool, doc: str) -> Hyperparameter:
    return Hyperparameter(name, "boolean", doc, default)


def _share(name: str, default: float, doc: str, maximum: float = 1) -> Hyperparameter:
    return Hyperparameter(name, "number", doc, default, minimum=0, maximum=maximum)


def _count(name: str, default: int, doc: str, minimum: int = 1, maximum: int = 100_000) -> Hyperparameter:
    return Hyperparameter(name, "integer", doc, default, minimum=minimum, maximum=maximum)


READING = (
    _text("target", "Column to predict, the first in the output. Without one, only features are written."),
    _choice(
        "task",
        ("auto", "binary", "multiclass", "regression"),
        "auto",
        "The kind of target; auto determines it from the values.",
    ),
    _text("positive", "Value of the target that becomes 1 in a binary task; by default the last in order."),
    *csv_arguments.build_layout("CSV files", "unless columns is given"),
    _text("types", "Types that are not detected automatically: column=number, text, time or boolean."),
    _text("date_format", "Format of times, as in strptime, e.g. %d/%m/%Y; by default ISO 8601."),
    csv_arguments.build_missing_words(),
    _share("type_tolerance", 0.02, "Share of invalid cells accepted in a column of numbers; they become missing."),
)
CLEANING = (
    _text("drop", "Columns to leave out, comma-separated."),
    _boolean("trim", True, "Remove whitespace around texts."),
    _boolean("drop_duplicates", False, "Keep the first of rows that are equal in every column."),
    _choice("missing_target", ("drop", "fail"), "drop", "How rows without a target are handled."),
    _share("max_missing", 1.0, "Leave out columns with a larger share of missing values in the training part."),
    _boolean("drop_constant", True, "Leave out columns with one value in the training part."),
    _choice("clip", ("none", "iqr", "deviation", "quantile"), "none", "Limit numbers to a range of the training part."),
    Hyperparameter(
        "clip_limit",
        "number",
        "iqr: interquartile ranges beyond the quartiles (1.5); deviation: standard deviations (3); "
        "quantile: share clipped at each end (0.01).",
        minimum=0,
        open_minimum=True,
    ),
)
FILLING = (
    _choice("impute", IMPUTE_NUMBERS, "median", "Replacement of missing numbers."),
    _choice("impute_text", IMPUTE_TEXTS, "level", "Replacement of missing texts; level: a separate level."),
    _text("impute_columns", "Replacement in single columns: column=mean, ..."),
    Hyperparameter("impute_value", "number", "The number of impute=constant.", 0.0),
    _text("impute_word", "The text of impute_text=constant.", "missing"),
    _boolean("missing_indicators", False, "Add a column of 0 and 1 for each number that has missing values."),
)
SCALING = (
    _choice("normalise", NORMALISE, "standard", "How numbers are shifted and scaled."),
    _text("normalise_columns", "The same for single columns: column=none, ..."),
)
ENCODING = (
    _choice(
        "encode", ENCODE, "auto", "How texts are encoded; auto: one_hot, target above one_hot_levels, otherwise hash."
    ),
    _text("encode_columns", "The same for single columns: column=hash, ..."),
    _count("one_hot_levels", 20, "Maximum number of levels for which auto uses one_hot."),
    _share(
        "rare_share", 0.005, "Levels with a smaller share of the training rows are combined to one: other.", maximum=0.5
    ),
    _count("target_folds", 5, "Folds of target encoding; a training row's own fold is left out.", 2, 100),
    Hyperparameter(
        "target_smoothing", "number", "Weight of the overall mean in each level's mean, in rows.", 10.0, minimum=0
    ),
    _count("hash_buckets", 32, "Columns per hashed text.", minimum=2, maximum=4096),
    _text("date_parts", f"Parts of times: {', '.join(DATE_PARTS)}.", "year,month,day,weekday,hour"),
)
DERIVING = (_text("derive", 'New columns: "ratio = debt / income; old = age > 65".'),)
SPLITTING = (
    _choice(
        "split",
        ("auto", "random", "stratified", "group", "time", "none"),
        "auto",
        "How rows are split; auto: stratified for classes, otherwise random.",
    ),
    _text(
        "split_column",
        "Column of split=group (rows with the same value stay together) or split=time (the latest are last).",
    ),
    _share("validation_fraction", 0.1, "Share of the rows for validation."),
    _share("test_fraction", 0.1, "Share of the rows for test."),
    _count("seed", 0, "Random seed.", minimum=0, maximum=2**31 - 1),
)
WRITING = (
    _choice("format", ("csv", "parquet"), "csv", "Format of the output: CSV without a header, or Parquet with names."),
    _boolean("shuffle", True, "Write rows in random order; never with split=time."),
)


def _fractions_leave_rows(values: Mapping[str, Value]) -> str | None:
    total = float(values.get("validation_fraction", 0)) + float(values.get("test_fraction", 0))
    if total < 1:
        return None
    return "The sum of arguments validation_fraction and test_fraction must be below 1: the rest is for training."


def _split_has_its_column(values: Mapping[str, Value]) -> str | None:
    if values.get("split") in ("group", "time") and "split_column" not in values:
        return f"Argument split_column is required by split={values['split']}."
    if values.get("split") == "stratified" and "target" not in values:
        return "Argument target is required by split=stratified."
    return None


def _target_is_there(values: Mapping[str, Value]) -> str | None:
    if "target" in values:
        return None
    reasons = [name for name in ("positive",) if name in values]
    if values.get("task", "auto") != "auto":
        reasons.append(f"task={values['task']}")
    if values.get("encode") == "target" or "target" in _words(values.get("encode_columns")):
        reasons.append("target encoding")
    return f"Argument target is required by {reasons[0]}." if reasons else None


def _target_is_kept(values: Mapping[str, Value]) -> str | None:
    if values.get("target") in parse_names(values.get("drop")):
        return "Argument drop must not contain the target."
    return None


def _expressions_are_valid(values: Mapping[str, Value]) -> str | None:
    try:
        parse_assignments(str(values.get("derive", "")))
    except InvalidExpressionError as error:
        return f"Argument derive: {error}"
    return None


def _parts_exist(values: Mapping[str, Value]) -> str | None:
    unknown = [part for part in parse_names(values.get("date_parts")) if part not in (*DATE_PARTS, "none")]
    return f"Argument date_parts: {unknown[0]!r} is not one of {', '.join(DATE_PARTS)}." if unknown else None


def _clip_share_is_small(values: Mapping[str, Value]) -> str | None:
    if values.get("clip") == "quantile" and float(values.get("clip_limit", 0.01)) >= 0.5:
        return "Argument clip_limit must be below 0.5 with clip=quantile."
    return None


def _words(text: object) -> tuple[str, ...]:
    try:
        return tuple(parse_pairs(text).values())
    except ValueError:
        return ()  # reported by the argument's own rule


SCHEMA = Schema(
    (*READING, *CLEANING, *DERIVING, *FILLING, *SCALING, *ENCODING, *SPLITTING, *WRITING),
    (
        _fractions_leave_rows,
        _split_has_its_column,
        _target_is_there,
        _target_is_kept,
        _expressions_are_valid,
        _parts_exist,
        csv_arguments.delimiter_is_one_character,
        _clip_share_is_small,
        build_pairs_rule("types", KINDS),
        build_pairs_rule("impute_columns", dict.fromkeys((*IMPUTE_NUMBERS, *IMPUTE_TEXTS))),
        build_pairs_rule("normalise_columns", NORMALISE),
        build_pairs_rule("encode_columns", ENCODE),
    ),
    noun="Argument",
    owner="this program",
)
