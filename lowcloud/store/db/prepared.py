"""Statements that run often: compiled once by SQLAlchemy, executed by the database driver directly.

SQLAlchemy generates the SQL for each database; its overhead at execution would cost more than SQLite's own work.
"""

from typing import Any, NamedTuple

from sqlalchemy import JSON, Connection, Dialect, Table, bindparam, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

Row = tuple[Any, ...]


class _Compiled(NamedTuple):
    text: str
    names: tuple[str, ...] | None  # of the positional parameters; None if the driver takes them by name
    constants: dict[str, Any]  # added by the dialect itself, e.g. an offset of 0


class PreparedStatement:
    """A statement whose values are bind parameters. Columns have the driver's types.

    So it cannot use JSON columns, and booleans are 0 and 1 or False and True.
    """

    def __init__(self, statement: ClauseElement):
        self._statement = statement
        types = [column.type for column in getattr(statement, "exported_columns", ())]
        assert not any(isinstance(kind, JSON) for kind in types), "drivers represent JSON differently"
        self._compiled: dict[str, _Compiled] = {}  # by dialect

    @classmethod
    def insert(cls, table: Table) -> "PreparedStatement":
        """Return an insert of one row with all of its columns."""
        return cls(insert(table).values({column.name: bindparam(column.name) for column in table.columns}))

    def rows(self, connection: Connection, /, **values: Any) -> list[Row]:
        """Execute the statement within a transaction and return its rows."""
        return self.run(connection.dialect, connection.connection.dbapi_connection, values)

    def first(self, connection: Connection, /, **values: Any) -> Row | None:
        """Execute the statement within a transaction and return its first row, or None."""
        found = self.rows(connection, **values)
        return found[0] if found else None

    def run(self, dialect: Dialect, driver: Any, values: dict[str, Any]) -> list[Row]:
        """Execute the statement on a driver's connection and return its rows, if it has any. Raises DBAPIError."""
        compiled = self._compiled.get(dialect.name)
        if compiled is None:
            compiled = self._compiled[dialect.name] = _compile(self._statement, dialect)
        if compiled.constants:
            values = compiled.constants | values
        try:
            cursor = driver.execute(
                compiled.text, values if compiled.names is None else [values[n] for n in compiled.names]
            )
            return [] if cursor.description is None else cursor.fetchall()
        except dialect.loaded_dbapi.Error as error:
            raise to_dbapi_error(compiled.text, error, dialect, driver) from error


def to_dbapi_error(text: str, error: Exception, dialect: Dialect, driver: Any) -> DBAPIError:
    """Convert a driver's error into SQLAlchemy's, which says whether the connection is lost."""
    is_lost = driver is not None and dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    kind: Any = dialect.loaded_dbapi.Error
    found = DBAPIError.instance(text, None, error, kind, connection_invalidated=is_lost, dialect=dialect)
    assert isinstance(found, DBAPIError)
    return found


def _compile(statement: ClauseElement, dialect: Dialect) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return _Compiled(str(compiled), compiled.positiontup and tuple(compiled.positiontup), constants)
