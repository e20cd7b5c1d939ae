"""Public names of `training`."""

from lowcloud_toolkit.training import *
