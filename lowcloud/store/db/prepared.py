"""Statements that run often, compiled once and given to the driver itself.

SQLAlchemy writes them, so that they fit every database; what it does around running one costs more than SQLite's work.
"""

from typing import Any, NamedTuple

from sqlalchemy import JSON, Connection, Dialect, Table, bindparam, insert
from sqlalchemy.exc import DBAPIError
from sqlalchemy.sql import ClauseElement

Row = tuple[Any, ...]


class _Compiled(NamedTuple):
    text: str
    names: tuple[str, ...] | None  # of the values by position; None where the driver wants them by name
    constants: dict[str, Any]  # what the dialect itself has added, e.g. an offset of 0


class Prepared:
    """A statement whose values are bind parameters. Columns come and go as the driver has them.

    So there is no JSON, and truths are 0 and 1 or False and True.
    """

    def __init__(self, statement: ClauseElement):
        self._statement = statement
        types = [column.type for column in getattr(statement, "exported_columns", ())]
        assert not any(isinstance(kind, JSON) for kind in types), "each driver has JSON in a way of its own"
        self._compiled: dict[str, _Compiled] = {}  # by dialect

    @classmethod
    def insert(cls, table: Table) -> "Prepared":
        """An insert of one row with all of its columns."""
        return cls(insert(table).values({column.name: bindparam(column.name) for column in table.columns}))

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
            known = self._compiled[dialect.name] = _compile(self._statement, dialect)
        if known.constants:
            values = known.constants | values
        try:
            cursor = driver.execute(known.text, values if known.names is None else [values[n] for n in known.names])
            return [] if cursor.description is None else cursor.fetchall()
        except dialect.loaded_dbapi.Error as error:
            raise told(known.text, error, dialect, driver) from error


def told(text: str, error: Exception, dialect: Dialect, driver: Any) -> DBAPIError:
    """A driver's error as SQLAlchemy tells it, and whether the connection has died of it."""
    has_died = driver is not None and dialect.is_disconnect(error, driver, None)  # type: ignore[arg-type]
    kind: Any = dialect.loaded_dbapi.Error
    found = DBAPIError.instance(text, None, error, kind, connection_invalidated=has_died, dialect=dialect)
    assert isinstance(found, DBAPIError)
    return found


def _compile(statement: ClauseElement, dialect: Dialect) -> _Compiled:
    compiled: Any = statement.compile(dialect=dialect)
    constants = {name: value for name, value in compiled.params.items() if value is not None}
    return _Compiled(str(compiled), compiled.positiontup and tuple(compiled.positiontup), constants)
