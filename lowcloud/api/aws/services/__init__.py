"""The AWS services that Lowcloud implements. Importing this package registers every operation.

The modules are discovered: every module in this package is imported.
"""

import importlib
import pkgutil

from lowcloud.api.aws.operations import OPERATIONS

__all__ = ["OPERATIONS"]

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
