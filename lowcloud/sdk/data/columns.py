"""What a built-in algorithm was trained on: columns, their kinds and the labels, stored for its endpoints."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from lowcloud.sdk import storage, wording
from lowcloud.sdk.connection import Cloud
from lowcloud.sdk.data.labels import PROBABILITY, Label
from lowcloud.sdk.data.reading import format_names
from lowcloud.sdk.errors import InvalidInputError, RefusedError

VARIABLE = "LOWCLOUD_COLUMNS"  # environment variable of jobs and models: the URL of their columns
FILE = "columns.json"


@dataclass(frozen=True)
class Columns:
    """The features in training order and the label column; integers if the table had no column names.

    Without `features`, only the labels are known. `kinds` are those of the features, all numbers if it is empty.
    `classes` are the labels of a classifier by their number; `scores` is what its scores are (labels.py). `is_encoded`:
    the model has a transform, and its endpoint takes rows as the table had them. `levels` are the categories of texts.
    """

    features: tuple[str | int, ...]
    target: str | int
    kinds: tuple[str, ...] = ()
    classes: tuple[Label, ...] | None = None
    scores: str = PROBABILITY
    is_encoded: bool = False
    levels: Mapping[str, Sequence[str | None]] = field(default_factory=dict)

    def positions(self, names: Sequence[Any]) -> list[int]:
        """Return the position of each feature in a table with these columns.

        Features are matched by name, or by position if either table has no column names. The label column is ignored.
        Raises InvalidInputError naming missing and unknown columns.
        """
        return match(self.features, names, self.target, "The model was trained on different columns")

    def check_width(self, count: int) -> None:
        """Raise InvalidInputError if rows without column names do not have one value for each feature."""
        if count != len(self.features):
            raise InvalidInputError(
                f"The rows have {count} columns, but the model was trained on {len(self.features)}, without the label: "
                f"{format_names([str(name) for name in self.features])}."
            )


RAW_COLUMNS = Columns((), "")  # of a model with a transform: its endpoint knows the names of the raw columns
RAW_MARKER = "transform"  # the value of VARIABLE for such a model, instead of a URL


def match(features: Sequence[str | int], names: Sequence[Any], target: str | int, problem: str) -> list[int]:
    """Return the position of each feature in `names`, by name, or by position if either has no names.

    Raises InvalidInputError that begins with `problem`.
    """
    given = {str(name): position for position, name in enumerate(names)}
    wanted = dict.fromkeys(map(str, features))
    missing = [name for name in wanted if name not in given]
    unknown = [name for name in given if name not in wanted and name != str(target)]
    if not missing and not unknown:
        return [given[name] for name in wanted]
    if have_names(names) and have_names(features):
        problems = (("missing", missing), ("unknown", unknown))
        listed = "; ".join(f"{word}: {format_names(found)}" for word, found in problems if found)
        raise InvalidInputError(f"{problem}: {listed}.")
    if len(given) != len(features):
        Columns(tuple(features), target).check_width(len(given))
    return list(range(len(given)))


def store(cloud: Cloud, columns: Columns) -> str:
    """Store the columns and return their s3:// URL, or the marker of a model with a transform of the user's."""
    if columns == RAW_COLUMNS:
        return RAW_MARKER
    return storage.upload(cloud, {FILE: json.dumps(asdict(columns)).encode()}) + FILE


def load(cloud: Cloud, url: str) -> Columns:
    """Load the columns at a URL. Raises InvalidInputError if they no longer exist."""
    if url == RAW_MARKER:
        return RAW_COLUMNS
    try:
        found = json.loads(storage.download(cloud, url))
    except RefusedError as refusal:
        raise InvalidInputError(
            f"The columns that the model was trained on cannot be read from {url} ({refusal}). "
            f"{wording.either('endpoint.invoke', 'InvokeEndpoint')} works without them."
        ) from None
    stored: dict[str, Any] = {name: tuple(one) if isinstance(one, list) else one for name, one in found.items()}
    return Columns(**stored)


def have_names(names: Sequence[Any]) -> bool:
    """Return whether columns have names rather than only numbers."""
    return any(not isinstance(name, int) for name in names)
