"""The AWS services that Lowcloud implements; importing this package registers every operation and front hook.

The modules are discovered: every module below this package is imported.
"""

import importlib
import pkgutil

from lowcloud.api.aws.operations import OPERATIONS

__all__ = ["OPERATIONS"]

for _module in pkgutil.walk_packages(__path__, f"{__name__}."):
    importlib.import_module(_module.name)
