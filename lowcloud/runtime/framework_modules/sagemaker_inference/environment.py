"""Public names of `environment`."""

from lowcloud_toolkit.environment import *
