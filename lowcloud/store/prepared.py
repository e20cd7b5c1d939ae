"""Statements that run often, compiled once and given to the driver itself.

SQLAlchemy writes them, so that they fit every database; running them through it costs ten times what SQLite takes.
"""

from typing import Any

from sqlalchemy import JSON, Boolean, Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

Row = tuple[Any, ...]


class Prepared:
    """A statement whose every value is a bind parameter. Columns come and go as the driver has them: no JSON."""

    def __init__(self, statement: ClauseElement):
        self._statement = statement
        types = [column.type for column in getattr(statement, "exported_columns", ())]
        assert not any(isinstance(kind, JSON) for kind in types), "each driver has JSON in a way of its own"
        self._truths = tuple(place for place, kind in enumerate(types) if isinstance(kind, Boolean))
        self._compiled: dict[str, tuple[str, tuple[str, ...] | None]] = {}  # by dialect: text, names by position

    def rows(self, connection: Connection, /, **values: Any) -> list[Row]:
        """What the statement finds, within a transaction."""
        return self.run(connection.dialect, connection.connection.dbapi_connection, values)

    def first(self, connection: Connection, /, **values: Any) -> Row | None:
        """The first row of what it finds, within a transaction, or None."""
        found = self.rows(connection, **values)
        return found[0] if found else None

    def run(self, dialect: Dialect, driver: Any, values: dict[str, Any]) -> list[Row]:
        """What the statement finds on a driver's connection; nothing where it only writes. Raises DBAPIError."""
        known = self._compiled.get(dialect.name)
        if known is None:
            known = self._compiled[dialect.name] = self._compile(dialect)
        text, names = known
        try:
            cursor = driver.execute(text, values if names is None else [values[name] for name in names])
            found = [] if cursor.description is None else cursor.fetchall()
        except dialect.loaded_dbapi.Error as error:
            raise told(text, error, dialect, driver) from error
        return [self._with_truths(row) for row in found] if self._truths and dialect.name == "sqlite" else found

    def _with_truths(self, row: Row) -> Row:
        """The row with false and true where SQLite has 0 and 1."""
        values = list(row)
        for place in self._truths:
            values[place] = None if row[place] is None else bool(row[place])
        return tuple(values)

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None]:
        compiled: Any = self._statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        positions = compiled.positiontup
        return str(compiled), None if positions is None else tuple(positions)


def told(text: str, error: Exception, dialect: Dialect, driver: Any) -> DBAPIError:
    """A driver's error as SQLAlchemy tells it, and whether the connection has died of it."""
    has_died = driver is not None and dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    kind: Any = dialect.loaded_dbapi.Error
    found = DBAPIError.instance(text, None, error, kind, connection_invalidated=has_died, dialect=dialect)
    assert isinstance(found, DBAPIError)
    return found
