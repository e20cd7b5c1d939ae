"""The description of a kind of resource, for the modules that handle every kind."""

from collections.abc import Collection, Sequence
from dataclasses import dataclass

from sqlalchemy import ColumnElement, Table, func, true

EVERY_ROW = true()


@dataclass(frozen=True, eq=False)
class ResourceKind:
    """One kind of resource. Its records are rows of `table`, each with a `name` that is unique within the kind."""

    noun: str  # in messages: "trial component"
    prefix: str  # of subjects, under which tags, events and associations are stored: "experiment-trial-component"
    table: Table
    ignores_case: bool = False  # names are unique, and found, regardless of case
    has_tags: bool = True  # that users set
    condition: ColumnElement[bool] = EVERY_ROW  # of the kind's rows, if several kinds share the table

    @property
    def fields(self) -> Collection[str]:
        """The columns that records can be filtered and sorted by."""
        return self.table.c.keys()

    def subject(self, name: str) -> str:
        """The key of a record's tags, events and associations."""
        return f"{self.prefix}/{name}"

    def is_named(self, name: str) -> ColumnElement[bool]:
        """Whether a row is the record of this name."""
        return self.is_one_of([name])

    def is_one_of(self, names: Sequence[str]) -> ColumnElement[bool]:
        """Whether a row is the record of one of these names."""
        column: ColumnElement[str] = self.table.c.name
        if self.ignores_case:
            column, names = func.lower(column), [name.lower() for name in names]
        return self.condition & (column == names[0] if len(names) == 1 else column.in_(names))
