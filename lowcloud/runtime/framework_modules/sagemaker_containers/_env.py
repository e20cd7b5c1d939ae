"""Public names of `env`."""

from lowcloud_toolkit.environment import *
