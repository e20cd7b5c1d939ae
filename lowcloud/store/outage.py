"""Whether an error means that the database is away, for now: not reached, restarting, or taking no writes."""

from sqlalchemy.exc import DBAPIError, OperationalError
from sqlalchemy.exc import TimeoutError as PoolTimeout

# SQLSTATE (https://www.postgresql.org/docs/current/errcodes-appendix.html), by their beginnings.
AWAY = (
    "08",  # connection exceptions
    "25006",  # a standby, or a server made read-only
    "53300",  # too many connections
    "57P",  # shutdown, crash, cannot connect now
    "58030",  # input or output failed
)


def is_away(error: DBAPIError | PoolTimeout) -> bool:
    """Whether the same request may well succeed later."""
    if not isinstance(error, DBAPIError):
        return True  # every connection of the pool was busy for too long
    if error.connection_invalidated:
        return True
    sqlstate: str | None = getattr(error.orig, "sqlstate", "")  # SQLite has none, and is never away
    if sqlstate is None:  # psycopg's where it has no connection at all
        return isinstance(error, OperationalError)
    return sqlstate.startswith(AWAY)
