"""Statements that run often, compiled once and given to the driver itself.

SQLAlchemy writes them, so that they fit every database; running them through it costs ten times what SQLite takes.
"""

from typing import Any

from sqlalchemy import Connection, Dialect
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

Row = tuple[Any, ...]


class Prepared:
    """A statement whose every value is a bind parameter. Columns come and go as the driver has them: no JSON."""

    def __init__(self, statement: ClauseElement):
        self._statement = statement
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
            return [] if cursor.description is None else cursor.fetchall()
        except dialect.loaded_dbapi.Error as error:
            raise DBAPIError.instance(text, None, error, dialect.loaded_dbapi.Error, dialect=dialect) from error

    def _compile(self, dialect: Dialect) -> tuple[str, tuple[str, ...] | None]:
        compiled: Any = self._statement.compile(dialect=dialect, compile_kwargs={"render_postcompile": True})
        positions = compiled.positiontup
        return str(compiled), None if positions is None else tuple(positions)
