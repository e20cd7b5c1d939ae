"""Public names of `mapping`."""

from lowcloud_toolkit.environment import *
