"""The services of AWS that Lowcloud performs; importing this package enters every operation into the table.

Nothing lists the modules: whatever lies below this package is imported.
"""

import importlib
import pkgutil

from lowcloud.api.aws.operations import OPERATIONS

__all__ = ["OPERATIONS"]

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
