"""The arguments with which processing programs read CSV files."""

from collections.abc import Mapping

from lowcloud.schemas import Hyperparameter, Value
from lowcloud.schemas.tables import MISSING_WORDS

TAB_WORDS = ("tab", r"\t")


def build_layout(files: str, header: str) -> tuple[Hyperparameter, ...]:
    """Return the arguments for the lines and cells of `files`; `header` says when they begin with names."""
    return (
        Hyperparameter("columns", "text", f"Names of the columns, comma-separated, if {files} have no header."),
        Hyperparameter(
            "header",
            "choice",
            f"Whether CSV files begin with names; auto: {header}.",
            "auto",
            words=("auto", "true", "false"),
        ),
        Hyperparameter("delimiter", "text", "One character, or tab, between the cells of CSV files.", ","),
        Hyperparameter(
            "decimal",
            "choice",
            "Decimal sign of the numbers in CSV files; auto: the point, and a column of numbers with commas is "
            "refused.",
            "auto",
            words=("auto", ".", ","),
        ),
        Hyperparameter("comment", "text", "What begins lines of CSV files that are skipped, e.g. #."),
    )


def build_missing_words(case: str = "") -> Hyperparameter:
    """Return the argument for missing values; `case` says how the case of letters matters."""
    doc = f"Cells that mean a missing value, in addition to empty ones{case}."
    return Hyperparameter("missing_words", "text", doc, ",".join(MISSING_WORDS))


def to_delimiter(text: str) -> str:
    """Return the character that the argument `delimiter` means."""
    return "\t" if text in TAB_WORDS else text


def delimiter_is_one_character(values: Mapping[str, Value]) -> str | None:
    """The rule of the argument `delimiter`."""
    text = to_delimiter(str(values.get("delimiter", ",")))
    is_good = len(text) == 1 and text.isascii() and text not in '"\r\n'
    return None if is_good else f"Argument delimiter must be one character or tab, not {text[:20]!r}."
