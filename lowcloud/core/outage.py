"""A database that is away, told as what it is at the edge of a request.

Not below: who writes must know a commit whose outcome nobody knows from one that was refused, which a CloudError means.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager

from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from lowcloud.core.errors import Unavailable
from lowcloud.store.outage import is_away

log = logging.getLogger("lowcloud.database")


@contextmanager
def outage_told() -> Iterator[None]:
    """Tell a database that cannot be reached, or that takes no writes, as Unavailable."""
    try:
        yield
    except (DBAPIError, PoolTimeout) as error:
        if not is_away(error):
            raise
        log.warning("the database is away: %s", error)
        raise Unavailable(
            "The database does not answer or takes no writes for now. Try again: whether this request was carried out "
            "is not known."
        ) from error
