"""Public names of `serving`."""

from lowcloud_toolkit.sklearn_handler import *
