"""What all programs that read tables agree on: missing values, numbers, truths, hidden files, the index of pandas.

Patterns are for Python's re and for polars, of cells without the BLANKS around them.

lowcloud_toolkit/dmatrix.py, which cannot import this, states the rule of hidden files again.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

MISSING_WORDS = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "?", "-")
BLANKS = " \t\r\n\v\f\u00a0\ufeff"
NUMBER = r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?"
NUMBER_LIKE = (  # what polars reads as a number, and what is meant as one; a point alone is SAS' missing value
    r"^[+-]?[$€£¥]?[.,]?[0-9][0-9.,'_ \u00a0]*(?:[eE][+-]?[0-9]+)?[%€]?$|^[+-]?(?i:inf|infinity|nan)$"
    r"|^0[xX][0-9a-fA-F]+$|^\.$"
)
DATE_LIKE = r"^[0-9]{4}-[0-9]{2}-[0-9]{2}"
OTHER_DATE = (  # and times of a day
    r"^(?:[0-9]{1,2}[./-][0-9]{1,2}[./-][0-9]{2,4}|[0-9]{4}[./][0-9]{1,2}[./][0-9]{1,2})(?:$|[ T])|^[0-9]{1,2}:[0-9]{2}"
)
DECIMAL_COMMA = r"^([+-]?[0-9]*),([0-9]+(?:[eE][+-]?[0-9]+)?)$"
CODE = r"^0[0-9]+$"  # 007 and 7 are different codes: a column of numbers with such cells is one of texts
EXACT_WHOLE = 2**53  # from here on, different whole numbers are the same floating-point number
LONGEST_CELL = 2**31 - 1  # Python's csv refuses cells of more than 128 KiB otherwise
DELIMITERS = ",;\t|"  # by which cells may be separated
QUOTED = r'"(?:[^"]|"")*"'
YES = ("true", "yes", "t", "y", "1", "1.0")
NO = ("false", "no", "f", "n", "0", "0.0")  # 0.0 is how a column of floating-point numbers is written
TRUTHS = {"true": True, "false": False}  # in any case of the letters, alone or both
TRUTH_PAIRS = ({"yes", "no"}, {"y", "n"}, {"t", "f"})  # each word in one spelling
YES_NO = {**dict.fromkeys(YES, True), **dict.fromkeys(NO, False)}
UNNAMED_INDEX = re.compile(r"__index_level_[0-9]+__")


def is_hidden(path: PurePath | str) -> bool:
    """Return whether a path below a folder of data is no data: its name or that of a folder begins with . or _.

    Spark and pyarrow skip such names too: _SUCCESS, _metadata, .part-00000.crc.
    """
    return any(part.startswith((".", "_")) for part in PurePath(path).parts)


def index_columns(names: Iterable[str], metadata: str | None) -> list[str]:
    """Return the columns of a Parquet file in which pandas stored an index; `metadata` is what it wrote about it.

    https://pandas.pydata.org/docs/development/developer.html describes it.
    """
    try:
        stored = json.loads(metadata or "{}")["index_columns"]
    except (ValueError, KeyError, TypeError):  # not written by pandas
        stored = []
    return [name for name in names if UNNAMED_INDEX.fullmatch(name) or (isinstance(stored, list) and name in stored)]


def distinct_names(names: Sequence[str]) -> list[str]:
    """Return the names, with numbers added to those that occur again."""
    seen: dict[str, int] = {}
    found = []
    for name in names:
        seen[name] = seen.get(name, 0) + 1
        found.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return found
