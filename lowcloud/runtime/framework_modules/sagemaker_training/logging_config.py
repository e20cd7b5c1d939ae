"""Public names of `logging_config`."""

from lowcloud_toolkit.functions import *
