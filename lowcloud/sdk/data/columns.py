"""The columns that a built-in algorithm was trained on, stored so that its endpoint gets them in the same order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lowcloud.sdk import storage
from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.errors import InvalidInputError, RefusedError

VARIABLE = "LOWCLOUD_COLUMNS"  # environment variable of jobs and models: the URL of their columns
FILE = "columns.json"
NAMES_SHOWN = 8  # in an error message


@dataclass(frozen=True)
class Columns:
    """The feature names in training order and the label name; integers if the table had no column names."""

    features: tuple[str | int, ...]
    target: str | int

    def positions(self, names: Sequence[Any]) -> list[int]:
        """Return the position of each feature in a table with these columns.

        Features are matched by name, or by position if either table has no column names. The label column is ignored.
        Raises InvalidInputError naming missing and unknown columns.
        """
        given = {str(name): position for position, name in enumerate(names)}
        features = dict.fromkeys(map(str, self.features))
        missing = [name for name in features if name not in given]
        unknown = [name for name in given if name not in features and name != str(self.target)]
        if not missing and not unknown:
            return [given[name] for name in features]
        if not (have_names(names) and have_names(self.features)):
            self.check_width(len(given))
            return list(range(len(given)))
        raise InvalidInputError(
            "The model was trained on different columns: "
            + "; ".join(
                f"{problem}: {format_names(names)}"
                for problem, names in (("missing", missing), ("unknown", unknown))
                if names
            )
            + "."
        )

    def check_width(self, count: int) -> None:
        """Raise InvalidInputError if rows without column names do not have one value for each feature."""
        if count != len(self.features):
            raise InvalidInputError(
                f"The rows have {count} columns, but the model was trained on {len(self.features)}, without the label: "
                f"{format_names([str(name) for name in self.features])}."
            )


RAW_COLUMNS = Columns((), "")  # of a model with a transform: its endpoint knows the names of the raw columns
RAW_MARKER = "transform"  # the value of VARIABLE for such a model, instead of a URL


def of_table(names: Sequence[Any], label: int) -> Columns:
    """Return the columns of a table whose label is at this position."""
    plain = [name if isinstance(name, int) else str(name) for name in names]
    target = plain.pop(label)
    return Columns(tuple(plain), target)


def store(cloud: Cloud, columns: Columns) -> str:
    """Store the columns and return their s3:// URL."""
    content = json.dumps({"features": columns.features, "target": columns.target}).encode()
    return storage.upload(cloud, {FILE: content}) + FILE


def load(cloud: Cloud, url: str) -> Columns:
    """Load the columns at a URL. Raises InvalidInputError if they no longer exist."""
    if url == RAW_MARKER:
        return RAW_COLUMNS
    try:
        found = json.loads(storage.download(cloud, url))
    except RefusedError as refusal:
        raise InvalidInputError(
            f"The columns that the model was trained on cannot be read from {url} ({refusal}). endpoint.invoke works "
            "without them."
        ) from None
    return Columns(tuple(found["features"]), found["target"])


def have_names(names: Sequence[Any]) -> bool:
    """Return whether columns have names rather than only numbers."""
    return any(not isinstance(name, int) and not str(name).isdigit() for name in names)


def format_names(names: Sequence[str]) -> str:
    """Return names for an error message, shortened if there are many."""
    shown = ", ".join(map(repr, names[:NAMES_SHOWN]))
    return f"{shown} and {len(names) - NAMES_SHOWN} more" if len(names) > NAMES_SHOWN else shown
