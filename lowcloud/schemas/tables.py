"""What all programs that read tables agree on: missing values, hidden files, and the index that pandas stores.

lowcloud_toolkit/dmatrix.py, which cannot import this, states the rule of hidden files again.
"""

import json
import re
from collections.abc import Iterable, Sequence
from pathlib import PurePath

MISSING_WORDS = ("NA", "N/A", "n/a", "#N/A", "<NA>", "NaN", "nan", "null", "NULL", "None", "?", "-")
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
