"""The columns that a built-in was trained on: kept beside its data, so that its endpoint is asked in their order."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from lowcloud.sdk import storage
from lowcloud.sdk.cloud import Cloud
from lowcloud.sdk.errors import InvalidInputError, RefusedError

VARIABLE = "LOWCLOUD_COLUMNS"  # of a job and of a model: where its columns are written down
FILE = "columns.json"
SHOWN = 8  # names told of many


@dataclass(frozen=True)
class Columns:
    """Names of the features in the order of training, and of the label; numbers where a table only counts them."""

    features: tuple[str | int, ...]
    target: str | int

    def places(self, names: Sequence[Any]) -> list[int]:
        """Where a table of these columns has each feature: by name, else by place where either has no names.

        The label may be there too. Raises InvalidInputError naming what is missing or unknown.
        """
        given = {str(name): place for place, name in enumerate(names)}
        wanted = dict.fromkeys(map(str, self.features))
        missing = [name for name in wanted if name not in given]
        unknown = [name for name in given if name not in wanted and name != str(self.target)]
        if not missing and not unknown:
            return [given[name] for name in wanted]
        if not (are_names(names) and are_names(self.features)):
            self.check_width(len(given))
            return list(range(len(given)))
        raise InvalidInputError(
            "The model was trained on other columns: "
            + "; ".join(
                f"{listed(odd)} {'is' if len(odd) == 1 else 'are'} {what}"
                for odd, what in ((missing, "missing"), (unknown, "unknown to it"))
                if odd
            )
            + "."
        )

    def check_width(self, count: int) -> None:
        """Raises InvalidInputError where rows without names have another number of values than there are features."""
        if count != len(self.features):
            raise InvalidInputError(
                f"The rows have {count} columns; the model was trained on {len(self.features)}, without the label: "
                f"{listed([str(name) for name in self.features])}."
            )


RAW = Columns((), "")  # of a model that keeps a transform, whose endpoint knows the names of raw columns itself
RAW_PLACE = "transform"  # instead of a URL


def of_table(names: Sequence[Any], label: int) -> Columns:
    """The columns of a table whose label has this place."""
    plain = [name if isinstance(name, int) else str(name) for name in names]
    target = plain.pop(label)
    return Columns(tuple(plain), target)


def keep(cloud: Cloud, columns: Columns) -> str:
    """Write them down; the s3:// URL of where."""
    content = json.dumps({"features": columns.features, "target": columns.target}).encode()
    return storage.put(cloud, {FILE: content}) + FILE


def read(cloud: Cloud, url: str) -> Columns:
    """What is written down at a URL. Raises InvalidInputError where it is not there any more."""
    if url == RAW_PLACE:
        return RAW
    try:
        found = json.loads(storage.read(cloud, url))
    except RefusedError as refusal:
        raise InvalidInputError(
            f"The names of the columns that the model was trained on cannot be read from {url} ({refusal}); "
            "endpoint.invoke asks without them."
        ) from None
    return Columns(tuple(found["features"]), found["target"])


def are_names(names: Sequence[Any]) -> bool:
    """Whether columns are named, not only counted."""
    return any(not isinstance(name, int) and not str(name).isdigit() for name in names)


def listed(names: Sequence[str]) -> str:
    """Names for a sentence, the first of many."""
    shown = ", ".join(map(repr, names[:SHOWN]))
    return f"{shown} and {len(names) - SHOWN} more" if len(names) > SHOWN else shown
