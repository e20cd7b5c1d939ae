"""Every table, a module for each subject of core. Times are seconds since the epoch.

Columns named `document` are always read as a whole.
"""

import importlib
import pkgutil

from sqlalchemy import MetaData

from lowcloud.store.db.tables.schema import metadata


def discover() -> MetaData:
    """Import every module of this package and return the metadata, which has all tables from then on."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return metadata
