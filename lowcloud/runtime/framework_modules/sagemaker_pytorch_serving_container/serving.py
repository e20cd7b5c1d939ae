"""Public names of `serving`."""

from lowcloud_toolkit.server import *
